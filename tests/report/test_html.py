"""The report: one file, self-contained, escaped, complete."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prosepose_jax.report import html as report_html
from prosepose_jax.report import line_chart, loss_charts, write_report
from prosepose_jax.report.plots import Series
from prosepose_jax.scene import Fit, Scene

EVIL = '<script>alert("1")</script>'
TERMS = ("keypoints", "contact", "heuristic")


class Page(HTMLParser):
    """Checks that tags close in order and collects what a browser would fetch."""

    VOID = frozenset({"meta", "img", "input", "br", "line", "path"})

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.scripts = 0
        self.text: list[str] = []
        self.bold = 0

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.scripts += tag == "script"
        self.bold += tag == "b"
        self.links += [(tag, value) for name, value in attrs if name in ("src", "href", "srcset", "data", "poster")]

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


def read(path) -> tuple[Page, str]:
    source = path.read_text(encoding="utf-8")
    page = Page()
    page.feed(source)
    page.close()
    assert page.open == []
    return page, " ".join(" ".join(page.text).split())


def make_scene(key="scene", **fields):
    return Scene(
        key=key,
        global_orient=np.zeros((2, 3)),
        body_pose=np.zeros((2, 21, 3)),
        betas=np.zeros((2, 10)),
        transl=np.zeros((2, 3)),
        keypoints=np.zeros((2, 25, 3)),
        focal_length=np.array([500.0, 500.0]),
        principal_point=np.array([320.0, 240.0]),
        image_size=np.array([640, 480]),
        **fields,
    )


def make_fit(key="scene", **fields):
    losses = np.full((2, 50, 3), np.nan, np.float32)
    losses[0, :40] = np.linspace(10.0, 1.0, 40)[:, None] * [1.0, 2.0, 0.0]
    losses[1, :20] = np.linspace(3.0, 1.0, 20)[:, None] * [1.0, 2.0, 0.0]
    fit = Fit(
        key=key,
        status="ok",
        loss_terms=TERMS,
        losses=losses,
        steps=np.array([40, 20]),
        seconds=1.5,
        answers=20,
        answers_usable=18,
        rows_rejected=3,
        rejected=((f"{EVIL} | hand", "unknown part 'x'"),) * 2 + (("sofa | back", "unknown part 'sofa'"),),
        constraints=(("hand", "back", 15), ("foot", "foot", 1)),
    )
    return dataclasses.replace(fit, **fields)


def figures(**more):
    initial = {"joint_pa_mpjpe_mm": 120.25, "pcc": 50.0, "pcc_at": {f"{k * 0.05:.2f}": 5.0 * k for k in range(20)}}
    fit = {"joint_pa_mpjpe_mm": 60.5, "pcc": 81.25, "pcc_at": {f"{k * 0.05:.2f}": 100.0 for k in range(20)}}
    return fit | {"status": "ok", "contact_f1": 0.75, "initial": initial, "no_answers": {"pcc": 65.0}} | more


def make_metrics(*keys):
    mean = figures() | {"scenes": len(keys), "fitted": len(keys), "fallback": 0, "failed": 0, "coverage": 1.0}
    return {"scenes": {key: figures() for key in keys}, "mean": {"two_person": mean}}


class Scenes(list):
    failures: dict[str, str] = {}  # noqa: RUF012


def test_a_whole_report(tmp_path):
    (tmp_path / "renders").mkdir()
    Image.fromarray(np.full((300, 500, 3), 120, np.uint8)).save(tmp_path / "renders" / "hug.png")
    scenes = Scenes([make_scene("hug", gt_contacts=(("left hand", "back"),)), make_scene("bad")])
    scenes.failures = {"torn": "torn.npz: truncated"}
    fits = {"hug": make_fit("hug"), "bad": Fit("bad", "failed: no visible keypoints")}
    metrics = make_metrics("hug")
    info = {"prosepose_jax": "0.1.0", "versions": {"jax": "9.9"}, "device": "a cpu", "wall_seconds": 12.0}
    path = write_report(tmp_path, scenes, fits, metrics, info, {"mode": "two_person"})
    assert path == tmp_path / "report.html"
    page, text = read(path)
    for expected in (
        "120.2", "60.5", "50.0", "65.0", "81.2",  # before, without answers, after
        "18 of 20 answers are usable", "3 rows rejected", "unknown part 'sofa'",
        "torn.npz: truncated", "no visible keypoints", "jax 9.9", "a cpu", '"mode": "two_person"',
        "stage 1: 40 steps", "stage 2: 20 steps", "40 + 20 steps", "0.75",
    ):  # fmt: skip
        assert expected in text, expected
    # The contact that was annotated is marked, the other is not.
    assert text.count("annotated") == 2  # the badge, and the title of the PCC chart
    images = [value for tag, value in page.links if tag == "img"]
    assert len(images) == 1 and images[0].startswith("data:image/jpeg;base64,")


def test_nothing_is_fetched(tmp_path):
    path = write_report(tmp_path, [make_scene()], {"scene": make_fit()}, make_metrics("scene"), {}, {})
    page, _ = read(path)
    source = path.read_text(encoding="utf-8")
    assert all(value.startswith(("data:", "#")) for _, value in page.links)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)|<link|<iframe", source)
    assert "default-src 'none'" in source


def test_all_text_is_escaped(tmp_path):
    key = 'a"><b>&amp;'
    fit = make_fit(key, constraints=((EVIL, "hand", 3),), rejected=((EVIL, EVIL),))
    failed = Fit("z", f"failed: {EVIL}")
    scenes = Scenes([make_scene(key), make_scene("z")])
    scenes.failures = {EVIL: EVIL}
    config, info = {"mode": EVIL, "note": "</pre>" + EVIL}, {"device": EVIL, "body": EVIL, "versions": {EVIL: EVIL}}
    path = write_report(tmp_path, scenes, {key: fit, "z": failed}, make_metrics(key), info, config)
    page, text = read(path)
    assert page.scripts == 1  # the report's own
    assert page.bold == 1  # the count in the one bar
    assert EVIL not in path.read_text(encoding="utf-8")
    assert EVIL in text and key in text


def test_without_pictures_the_report_says_so(tmp_path):
    path = write_report(tmp_path, [make_scene()], {"scene": make_fit()}, make_metrics("scene"), {}, {})
    page, text = read(path)
    assert not [1 for tag, _ in page.links if tag == "img"]
    assert "1 scenes have no picture" in text
    (tmp_path / "renders").mkdir()
    (tmp_path / "renders" / "scene.png").write_bytes(b"no picture")
    _, text = read(write_report(tmp_path, [make_scene()], {"scene": make_fit()}, make_metrics("scene"), {}, {}))
    assert "can't be read" in text


def test_an_empty_run_has_a_report(tmp_path):
    _, text = read(write_report(tmp_path, [], {}, {"scenes": {}, "mean": {}}, {}, {}))
    assert "No scene was evaluated" in text


def test_a_large_report_becomes_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(report_html, "MOST_BYTES", 60_000)
    keys = [f"s{k}" for k in range(6)]
    (tmp_path / "renders").mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3)).astype(np.uint8)
    for key in keys:
        Image.fromarray(noise).save(tmp_path / "renders" / f"{key}.png")
    fits = {key: make_fit(key, losses=None) for key in keys}
    stale = tmp_path / "report_scenes" / "00077.js"
    stale.parent.mkdir()
    stale.write_text("")
    (stale.parent / "note.txt").write_text("of the user")
    path = write_report(tmp_path, [make_scene(key) for key in keys], fits, make_metrics(*keys), {}, {})
    source = path.read_text(encoding="utf-8")
    assert len(source) < 40_000 and "data:image" not in source
    files = re.findall(r'data-file="([^"]+)"', source)
    assert len(files) == 6 and not stale.exists()
    for place, name in enumerate(files):
        found = re.fullmatch(r"prosepose\.add\((\d+), (.*), null\);\n", (tmp_path / name).read_text(encoding="utf-8"))
        assert found and int(found[1]) == place and "data:image/jpeg" in json.loads(found[2])
    # A small one again: one file, and nothing of the large one stays but what others put there.
    monkeypatch.setattr(report_html, "MOST_BYTES", 50_000_000)
    path = write_report(tmp_path, [make_scene("s0")], fits, make_metrics("s0"), {}, {})
    assert [file.name for file in stale.parent.iterdir()] == ["note.txt"]
    assert "'self'" not in path.read_text(encoding="utf-8")


def test_failures_come_first(tmp_path):
    fits = {"a": make_fit("a"), "b": make_fit("b", status="fallback"), "c": Fit("c", "failed: why")}
    path = write_report(tmp_path, [make_scene(key) for key in fits], fits, make_metrics("a", "b"), {}, {})
    assert re.findall(r'data-key="(\w)"', path.read_text(encoding="utf-8")) == ["c", "b", "a"]


def test_counts_are_written_as_in_the_paper(tmp_path):
    path = write_report(tmp_path, [make_scene()], {"scene": make_fit()}, make_metrics("scene"), {}, {})
    _, text = read(path)
    assert "hand back 15/20" in text and "foot foot 1/20" in text


def test_only_the_reports_own_scripts_may_run(tmp_path):
    source = write_report(tmp_path, [make_scene()], {"scene": make_fit()}, make_metrics("scene"), {}, {}).read_text(
        encoding="utf-8"
    )
    allowed = re.search(r"script-src ([^\"]*)\"", source)[1].split()
    scripts = re.findall(r"<script>(.*?)</script>", source, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert allowed == [f"'sha256-{digest}'" for digest in digests]


def test_the_bundle_is_what_it_says():
    """The committed three.js is of the version that package.json builds, small, and licensed where readers look."""
    web = Path(report_html.__file__).with_name("web")
    version = json.loads((web / "package.json").read_text(encoding="utf-8"))["dependencies"]["three"]
    bundle = (web / "three.min.js").read_text(encoding="utf-8")
    assert bundle.startswith(f"/* three.js {version} ") and len(bundle) < 1_000_000
    assert "</script" not in bundle and "eval(" not in bundle
    assert "MIT" in (web / "three_LICENSE.txt").read_text(encoding="utf-8")
    assert f"three.js {version}" in (web.parents[2] / "NOTICE").read_text(encoding="utf-8")


def test_loss_charts():
    first = loss_charts(make_fit())[0]
    assert first.count("<path") == 3  # total and the two terms that weigh something
    assert "heuristic" not in first
    assert loss_charts(make_fit(losses=None)) == []
    # Points are thinned, the last step stays.
    dense = loss_charts(make_fit(), max_points=5)[0]
    paths = re.findall(r'd="([^"]*)"', dense)
    assert all(path.count("L") == 4 for path in paths)
    assert {path.split("L")[-1].split()[0] for path in paths} == {"370.0"}


def test_line_chart_places_values():
    x = np.array([0.0, 1.0, 2.0])
    chart = line_chart([Series("a & b", x, np.array([0.0, np.nan, 100.0]), 1)], "t < 5", y_range=(0.0, 100.0))
    assert "a &amp; b" in chart and "t &lt; 5" in chart
    # From bottom left to top right; the gap lifts the pen.
    assert 'd="M52.0 180.0M370.0 22.0"' in chart
    assert "no values" in line_chart([Series("a", x, np.full(3, np.nan), 0)], "empty")
    assert "no values" in line_chart([Series("a", x, np.array([-1.0, 0.0, -2.0]), 0)], "log", log_y=True)
    flat = line_chart([Series("a", x, np.full(3, 7.0), 0)], "flat")
    assert "nan" not in flat and "inf" not in flat


@pytest.mark.parametrize("status", ["ok", "fallback"])
def test_status_badges(tmp_path, status):
    fits = {"scene": make_fit(status=status, answers=0 if status == "fallback" else 20)}
    source = write_report(tmp_path, [make_scene()], fits, make_metrics("scene"), {}, {}).read_text(encoding="utf-8")
    assert f'class="badge {status}"' in source
    assert ("No answers." in source) == (status == "fallback")
