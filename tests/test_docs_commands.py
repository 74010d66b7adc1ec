"""The documentation's commands and Python blocks, run page by page in a folder as a user has it (docs_world.py).

Blocks of a page are run in their order, in one process, on the small body with a few steps of fitting: whether they
work, not what they find. `docs_blocks.py` says how blocks are marked.
"""

from __future__ import annotations

import ast
import re
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docs_blocks import OTHER_PROGRAMS, PAGES, ROOT, Block, blocks_of, missing_package

from prosepose_jax.apps.main import VERBS, main

for _room in ("importing", "datasets", "lmm"):  # whose helpers docs_world.py uses
    sys.path.append(str(ROOT / "tests" / _room))

WITH_BLOCKS = [page for page in PAGES if any(block.is_run for block in blocks_of(page))]
# Pages that need no run that is there already; and those that take no seconds.
WITHOUT_A_RUN = {"body.md", "beyond_touch.md", "contact.md", "keypoints.md", "datasets.md", "synthetic.md", "index.md"}
CHEAP = {
    "body.md": pytest.mark.heavy,
    "beyond_touch.md": pytest.mark.heavy,
    "contact.md": pytest.mark.heavy,
    "keypoints.md": (),
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_whether_it_is_run(page: Path) -> None:
    for block in blocks_of(page):
        if block.is_shell or block.is_python:
            assert block.mark, f"{block}: <!-- run --> or <!-- not run: WHY --> is missing before the block"
            assert block.is_run or len(block.mark.partition(": ")[2]) > 10, f"{block}: why isn't it run?"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_what_exists(page: Path) -> None:
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for block in blocks_of(page):
        for words in block.commands() if block.is_shell else ():
            match words:
                case ["prosepose", verb, *_]:
                    assert verb in VERBS, block
                case ["pip", "install", target]:
                    extra = re.fullmatch(r"(?:\.|prosepose_jax)(?:\[(.+)\])?", target)
                    assert extra, f"{block}: {target}"
                    assert all(f'"{name}": [' in setup for name in (extra[1] or "").split(",") if name), block
                case ["python", "-m", module, *_]:
                    assert module == "pytest" or (ROOT / f"{module.replace('.', '/')}.py").is_file(), (
                        f"{block}: {module}"
                    )
                case ["python", script, *flags]:
                    source = (ROOT / script).read_text(encoding="utf-8")
                    for flag in flags:
                        assert flag.partition("=")[0].lstrip("-") in source, f"{block}: {script} {flag}"
                case ["make", target, *_]:
                    assert target in targets, block
                case ["export", assignment]:
                    assert assignment.partition("=")[0] in ("GEMINI_API_KEY", "OPENAI_API_KEY"), block
                case _:
                    assert words[0] in OTHER_PROGRAMS, f"{block}: {' '.join(words)}"


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory, small_body) -> Iterator[None]:
    """The small body for the embedded one, configs of few steps, a random prior, caches of the module's own."""
    from docs_world import quick_configs, small_assets, tiny_buddi

    folder = tmp_path_factory.mktemp("packaged")
    assets, configs = small_assets(folder / "assets"), quick_configs(folder / "configs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for module in ("resources", "terms.prior_file"):
            patch.setattr(f"prosepose_jax.{module}.smpl_assets_dir", lambda: assets)
        patch.setattr("prosepose_jax.config.configs_dir", lambda: configs)
        patch.setattr("prosepose_jax.diffusion.load_buddi", tiny_buddi)
        patch.setattr("prosepose_jax.lmm.pace.FIRST_WAIT_S", 0.01)
        yield


@pytest.fixture(scope="module")
def server(quick: None) -> Iterator[str]:
    """The address of a server that answers as models do."""
    from fake_server import FakeServer

    with FakeServer() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
        yield running.url


@pytest.fixture(scope="module")
def template(quick: None, small_body, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's folder, before any page."""
    from docs_world import make_world

    return make_world(tmp_path_factory.mktemp("docs") / "world", small_body)


@pytest.fixture(scope="module")
def fitted(template: Path) -> Path:
    """The same with the folder of a run."""
    status = main(["prosepose", "fit", f"--scenes={template / 'scenes'}", f"--answers={template / 'answers.jsonl'}",
                   f"--workdir={template / 'run'}", "--config.record=true"])  # fmt: skip
    assert status == 0
    return template


def _run_commands(block: Block, server: str) -> list[str]:
    """Runs a block's commands of ours; returns the packages that others would have needed."""
    left_out = []
    for words in block.commands():
        if words[0] == "export":
            continue  # keys are set for the whole page
        if words[0] in (*OTHER_PROGRAMS, "pip", "make", "python"):
            continue
        package = missing_package(words)
        if package is not None:
            left_out.append(package)
            continue
        words = [re.sub(r"http://localhost:\d+", server, word) for word in words]
        if words[1] == "ask" and any(word in ("--client=gemini", "--client=google_genai") for word in words):
            words.append(f"--base_url={server}")
        status = main(words)
        assert status == 0, f"{block}: {' '.join(words)}: exit status {status}"
    return left_out


def _asked_for(code: str) -> set[str]:
    """Names that a block reads before it gives them a value."""
    found: set[str] = set()
    known: set[str] = set()
    for statement in ast.parse(code).body:
        names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        own = [node.target for node in ast.walk(statement) if isinstance(node, ast.comprehension)]
        inner = {node.id for target in own for node in ast.walk(target) if isinstance(node, ast.Name)}
        found |= {node.id for node in names if isinstance(node.ctx, ast.Load)} - known - inner
        known |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return found


def _run_python(block: Block, names: dict[str, Callable[[], Any]], left: dict[str, Any], folder: Path) -> None:
    """Runs a block with what earlier blocks left behind and what the page takes for granted."""
    code = block.replaced
    taken = {name: names[name]() for name in _asked_for(code) & set(names) - set(left)}
    file = folder / "block.py"
    file.write_text(code, encoding="utf-8")
    found = runpy.run_path(str(file), init_globals=taken | left)
    left |= {name: value for name, value in found.items() if not name.startswith("__")}
    if "def get_config" in code:
        assert found["get_config"]()


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.name, marks=CHEAP.get(page.name, pytest.mark.slow)) for page in WITH_BLOCKS],
)
def test_blocks_run(page: Path, request, server: str, small_body, tmp_path: Path, monkeypatch, capsys) -> None:
    from docs_world import names_for_python

    blocks = [block for block in blocks_of(page) if block.is_run]
    world = tmp_path / "world"
    shutil.copytree(request.getfixturevalue("template" if page.name in WITHOUT_A_RUN else "fitted"), world)
    monkeypatch.chdir(world)
    monkeypatch.setenv("GEMINI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    names, left, left_out = names_for_python(world, small_body), {}, []
    for block in blocks:
        if block.is_python:
            _run_python(block, names, left, tmp_path)
        else:
            left_out += _run_commands(block, server)
    if left_out:
        pytest.skip(f"all but what needs {', '.join(sorted(set(left_out)))} was run")
