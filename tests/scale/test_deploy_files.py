"""Scripts and manifests of deploy/: their syntax, and that what they call exists."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prosepose_jax.apps import fit, main, merge

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SCRIPTS = sorted(DEPLOY.glob("*.sh"))
MANIFESTS = sorted(DEPLOY.glob("*.yaml"))
DOCKERFILES = sorted(DEPLOY.glob("Dockerfile*"))
FLAGS = {"fit": set(fit._flags()) | {"config", "quiet"}, "merge": set(merge.FLAGS)}
_INSTRUCTIONS = {"FROM", "COPY", "RUN", "ENV", "USER", "WORKDIR", "ENTRYPOINT", "CMD"}


def commands(text: str) -> list[list[str]]:
    """Every call of `prosepose` in a script or manifest, by its words."""
    joined = re.sub(r"\\\n|\n\s+- (?=--)|\n\s+(?=--)", " ", re.sub(r"- prosepose\n\s+- ", "prosepose ", text))
    lines = [line for line in joined.splitlines() if not line.lstrip().startswith("#")]
    return [found.split() for line in lines for found in re.findall(r"\bprosepose ((?:fit|merge)\b[^|&\n]*)", line)]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: file.name)
def test_scripts_are_shell(script: Path) -> None:
    shell = script.read_text(encoding="utf-8").splitlines()[0].rpartition("/")[2]
    assert shell in ("sh", "bash")
    done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = script.read_text(encoding="utf-8")
    assert re.search(r"^set -eu", text, re.MULTILINE), "an error must end it"
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", [*SCRIPTS, *MANIFESTS], ids=lambda file: file.name)
def test_what_is_called_exists(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    found = commands(text)
    assert found or file.name == "install.sh"
    for verb, *words in found:
        assert verb in main.VERBS
        for flag in re.findall(r"--([a-z_]+)", " ".join(words)):
            assert flag in FLAGS[verb], f"{file.name}: --{flag}"
    for name in re.findall(r"--config=(\w+)", text):
        assert (ROOT / "configs" / f"{name}.py").is_file()


def documents(file: Path) -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_manifests_are_what_they_say(file: Path) -> None:
    for document in documents(file):
        assert re.fullmatch(r"[a-z.]+/v\d+", document["apiVersion"]) and document["metadata"]["name"]
        for container in _containers(document):
            assert re.fullmatch(r"[a-z0-9-]+", container["name"])
            assert container["image"] in ("prosepose_jax:cpu", "prosepose_jax:cuda")
            limits = container.get("resources", {}).get("limits", {})
            assert all(re.fullmatch(r"\d+(Gi|m)?", str(amount)) for amount in limits.values())


def _containers(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        here = value.get("containers", [])
        return [*here, *(one for item in value.values() for one in _containers(item))]
    return [one for item in value for one in _containers(item)] if isinstance(value, list) else []


def test_the_indexed_job_counts_its_shards() -> None:
    job, merging = documents(DEPLOY / "kubernetes.yaml")
    assert job["kind"] == merging["kind"] == "Job" and job["spec"]["completionMode"] == "Indexed"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert f"--shard_count={job['spec']['completions']}" in container["command"]
    rules = job["spec"]["podFailurePolicy"]["rules"]
    assert {rule["onExitCodes"]["containerName"] for rule in rules if "onExitCodes" in rule} == {container["name"]}
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"  # what a podFailurePolicy asks for


def test_the_ray_job_grows() -> None:
    (job,) = documents(DEPLOY / "kuberay.yaml")
    assert job["kind"] == "RayJob" and "--runner=ray" in job["spec"]["entrypoint"]
    cluster = job["spec"]["rayClusterSpec"]
    (group,) = cluster["workerGroupSpecs"]
    assert cluster["enableInTreeAutoscaling"] and group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    assert f"--ray_actors={group['maxReplicas']}" in job["spec"]["entrypoint"]


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_dockerfiles(file: Path) -> None:
    text = re.sub(r"\\\n", " ", file.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines[0].startswith("FROM ") and {line.split()[0] for line in lines} <= _INSTRUCTIONS
    for line in lines:
        if line.startswith("COPY "):
            *sources, target = line.split()[1:]
            assert all((ROOT / source).exists() for source in sources) and target.startswith("/src")
        if line.startswith(("CMD ", "ENTRYPOINT ")):
            assert isinstance(json.loads(line.partition(" ")[2]), list)
    users = [line for line in lines if line.startswith("USER ")]
    assert users and users[-1] != "USER root"
    extras = re.search(r"install\.sh /src ([\w,]+)", text)
    assert extras is not None
    known = set(re.findall(r'^    "([\w-]+)": \[', (ROOT / "setup.py").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(extras[1].split(",")) <= known


@pytest.mark.slow
def test_the_install_steps(tmp_path: Path) -> None:
    """The script of the images, into a folder of its own; dependencies are those of the tests' environment."""
    source, target = tmp_path / "src", tmp_path / "target"
    source.mkdir()
    for line in (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines():
        for name in line.split()[1:-1] if line.startswith("COPY ") else ():
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (source / name).parent.mkdir(exist_ok=True)
                shutil.copy(ROOT / name, source / name)
    environment = {**os.environ, "PYTHON": sys.executable, "PIP_TARGET": str(target), "PIP_NO_DEPS": "1",
                   "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1", "PYTHONPATH": str(target)}  # fmt: skip
    done = subprocess.run(["sh", str(source / "deploy" / "install.sh"), str(source), "cloud,ray"], env=environment,
                          cwd=tmp_path, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (target / "prosepose_jax" / "_smpl_assets" / "body.npz").is_file()
