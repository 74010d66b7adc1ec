"""What importing the package pulls in, and what a wheel of it carries."""

from __future__ import annotations

import email
import importlib.util
import json
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_WHEEL_BYTES = 12_000_000
# scipy is not here: JAX itself imports it.
_HEAVY = (
    "torch",
    "smplx",
    "pyvista",
    "vtk",
    "vtkmodules",
    "matplotlib",
    "trimesh",
    "numba",
    "anny",
    "openai",
    "requests",
    "httpx",
    # Not "google": one of its packages makes the empty namespace whenever Python starts.
    "google.generativeai",
    "google.genai",
    "google.api_core",
    "google.auth",
    "fsspec",
    "s3fs",
    "boto3",
    "ray",
)

_IMPORTS = """
import importlib, json, sys
for name in {modules!r}:
    importlib.import_module(name)
heavy = [name for name in {heavy!r} if name in sys.modules]
ours = sorted({{name.split(".")[0] for name in sys.modules if name.startswith("prosepose_jax")}})
print(json.dumps([heavy, ours]))
"""


def _run(modules: tuple[str, ...]) -> list[str]:
    code = _IMPORTS.format(modules=modules, heavy=_HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    heavy, ours = json.loads(done.stdout)
    assert ours == ["prosepose_jax"]
    return heavy


@pytest.mark.heavy
def test_the_fit_imports_nothing_heavy() -> None:
    """Also no app, and nothing that a run needs late (pictures, report, evaluation)."""
    rooms = ("fitting", "io", "metrics", "report", "apps.main", "apps.demo", "apps.fit", "apps._run", "apps.evaluate",
             "apps.ablate", "ablation",
             "apps.import_", "apps.ask", "lmm", "lmm.clients", "lmm.clients.openai_http",
             "apps._shards", "apps._ray", "apps._ray_asking", "apps._ray_sweep", "apps._merging")  # fmt: skip
    assert _run(("prosepose_jax", *(f"prosepose_jax.{room}" for room in rooms))) == []


@pytest.mark.heavy
def test_the_check_would_see_a_heavy_import() -> None:
    found = next((name for name in _HEAVY if "." not in name and importlib.util.find_spec(name)), None)
    if found is None:
        pytest.skip("none of the heavy packages is installed")
    assert found in _run(("prosepose_jax", found))


def _rooms_of_the_table() -> dict[str, set[str] | None]:
    """What each room may import by the table of docs/developing.md, in its order; None: all above."""
    text = (ROOT / "docs" / "developing.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)/` \|.*\| (.*) \|$", text, re.MULTILINE)
    return {room: None if "all above" in named else set(re.findall(r"[a-z]{2,}", re.sub(r"\(.*?\)", "", named)))
            for room, named in rows}  # fmt: skip


def test_rooms_import_what_the_table_says() -> None:
    table = _rooms_of_the_table()
    package = ROOT / "prosepose_jax"
    assert set(table) == {file.parent.name for file in package.glob("*/__init__.py")}
    above: set[str] = set()
    for room, named in table.items():
        source = "\n".join(file.read_text(encoding="utf-8") for file in (package / room).rglob("*.py"))
        found = set(re.findall(r"^\s*(?:from|import) prosepose_jax\.(\w+)", source, re.MULTILINE))
        found = (found & set(table)) - {room}
        assert found <= above, f"{room} imports rooms below it"
        if named is not None:
            assert found == named, room
        above.add(room)


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    """install_requires and extras_require as setup.py passes them on."""
    setuptools = pytest.importorskip("setuptools")
    caught: dict = {}
    original = setuptools.setup
    setuptools.setup = lambda **keywords: caught.update(keywords)
    try:
        runpy.run_path(str(ROOT / "setup.py"))
    finally:
        setuptools.setup = original
    return caught["install_requires"], caught["extras_require"]


def _names(requirements: list[str]) -> set[str]:
    return {re.match(r"[A-Za-z0-9_.-]+", line)[0].lower() for line in requirements}


def test_the_plain_install_is_light() -> None:
    plain, extras = _requirements()
    assert _names(plain) == {"jax", "jaxlib", "optax", "flax", "numpy", "ml-collections", "absl-py", "pillow", "tqdm",
                             "jinja2"}  # fmt: skip
    assert not any("[" in line.split(";")[0] for line in plain)
    assert {"cuda", "tpu", "smplx", "gemini", "google-genai", "openai", "report", "test", "assets"} <= set(extras)
    for client in ("gemini", "google-genai", "openai"):
        assert set(extras[client]) <= set(extras["test"])  # tested as it is installed
    assert "jax[cuda" in extras["cuda"][0] and "jax[tpu]" in extras["tpu"][0]
    assert {"smplx", "torch"} <= _names(extras["smplx"]) and any("google" in line for line in extras["gemini"])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy so that no build folder is left in the checkout."""
    pytest.importorskip("setuptools")
    copy = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, copy / name)
    for name in ("prosepose_jax", "configs", "smpl_assets"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "smpl_assets" / "SMPLX_NEUTRAL.npz").write_bytes(b"licensed")
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
               "--wheel-dir", str(target), str(copy)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    (file,) = target.glob("prosepose_jax-*.whl")
    with zipfile.ZipFile(file) as opened:
        yield opened


@pytest.mark.heavy
def test_wheel_carries_configs_body_and_demo(wheel: zipfile.ZipFile) -> None:
    carried = {name: wheel.getinfo(name).file_size for name in wheel.namelist()}
    expected = {f"prosepose_jax/_configs/{file.name}": file for file in (ROOT / "configs").glob("*.py")}
    assert len(expected) >= 5
    assets = ("body.npz", "body_keypoints.json", "body_lowres.npz", "body_kid_template.npy", "pose_prior.npz",
              "pair_prior.npz", "LICENSE.txt")  # fmt: skip
    expected |= {f"prosepose_jax/_smpl_assets/{name}": ROOT / "smpl_assets" / name for name in assets}
    demo = ROOT / "prosepose_jax" / "demo"
    expected |= {f"prosepose_jax/demo/{file.relative_to(demo).as_posix()}": file
                 for file in demo.rglob("*") if file.is_file() and not file.name.startswith(".")
                 and "__pycache__" not in file.parts}  # fmt: skip
    assert "prosepose_jax/demo/answers.json" in expected
    code = {file.relative_to(ROOT).as_posix(): file for file in (ROOT / "prosepose_jax").rglob("*.py")}
    expected |= code | {
        file.relative_to(ROOT).as_posix(): file
        for folder in ("templates", "web")
        for file in (ROOT / "prosepose_jax" / "report" / folder).iterdir()
    }
    assert "prosepose_jax/report/web/three_LICENSE.txt" in expected
    lmm = ROOT / "prosepose_jax" / "lmm"
    texts = [*(lmm / "prompts").glob("*.txt"), lmm / "prices.json"]
    assert len(texts) >= 7
    expected |= {file.relative_to(ROOT).as_posix(): file for file in texts}
    missing = {name for name, file in expected.items() if carried.get(name) != file.stat().st_size}
    assert not missing
    packed = {name for name in carried if name.startswith("prosepose_jax/_smpl_assets/")}
    assert not {name for name in packed if name.endswith(".py") or "SMPLX" in name}
    assert sum(name.startswith("prosepose_jax/demo/scenes/") and name.endswith(".npz") for name in carried) >= 10
    assert sum(entry.compress_size for entry in wheel.infolist()) < MOST_WHEEL_BYTES


@pytest.mark.heavy
def test_wheel_metadata(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(wheel.read(name))
    assert metadata["Requires-Python"] == ">=3.11"
    plain = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert not {"torch", "smplx", "google-generativeai", "google-genai", "openai", "pyvista", "vtk"} & _names(plain)
    (entry,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "prosepose = prosepose_jax.apps.main:main" in wheel.read(entry).decode()
    for file in ("LICENSE", "NOTICE"):
        assert any(name.endswith(f"/{file}") and ".dist-info/" in name for name in wheel.namelist())


@pytest.mark.heavy
def test_wheel_works_from_an_empty_folder(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """The installed package finds its data without the checkout."""
    site, empty = tmp_path / "site", tmp_path / "empty"
    wheel.extractall(site)
    empty.mkdir()
    code = (
        "import prosepose_jax as pj, prosepose_jax.resources as r\n"
        f"assert pj.__file__.startswith({str(site)!r}), pj.__file__\n"
        "assert pj.load_config('configs/two_person.py').mode == 'two_person'\n"
        "names = [file.stem for file in r.configs_dir().glob('*.py')]\n"
        "assert all(pj.load_config(n).stage1.steps for n in names if not n.startswith('ablation_'))\n"
        "assert all(pj.load_config(n).points for n in names if n.startswith('ablation_'))\n"
        "scenes = pj.load_scenes(r.demo_dir() / 'scenes'); assert len(scenes) >= 10 and not scenes.failures\n"
        "answers = pj.load_answers(r.demo_dir() / 'answers.json')\n"
        "assert all(answers.for_scene(key) for key in scenes.keys)\n"
        "assert pj.load_body().num_vertices > 5000\n"
        "from prosepose_jax.lmm import load_prompt, load_prices, prompt_names\n"
        "assert all(load_prompt(name).system for name in prompt_names()) and 'yoga' in prompt_names()\n"
        "assert load_prices(None, 'gpt-4o')[0].input > 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=empty,
        env={"PYTHONPATH": str(site), "PATH": "", "HOME": str(tmp_path), "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
