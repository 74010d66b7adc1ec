"""report.html in a real browser: Debian's Chromium, headless, driven by Playwright. Skips where there is none."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from fabricated_run import made_fit, made_metrics, made_scene

from prosepose_jax.report import html as report_html
from prosepose_jax.report import write_report
from prosepose_jax.report.view_data import ViewBody, make_view
from prosepose_jax.scene import Fit

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

# Software rendering: no graphics card is needed. Sandboxes do not work as root in containers.
_PATIENCE_MS = 120_000  # other jobs may share the machine
_ARGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
HOSTILE = (
    "<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "\"'><svg onload=alert(1)>", "{{7*7}}${7*7}",
    "\u202egnirts\u202c", "]]>--><b>bold</b>", "javascript:alert(1)", "\u2028\u2029\\u003cscript\\u003e",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=_ARGS, timeout=_PATIENCE_MS)
        yield started
        started.close()


class Visit:
    """An open page with everything that it said and asked for."""

    def __init__(self, browser, path, width=1280, height=900):
        self.page = browser.new_page(viewport={"width": width, "height": height})
        self.page.set_default_timeout(_PATIENCE_MS)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.folder = path.parent.as_uri()
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]")

    def open_view(self, card="article.scene:not([hidden])"):
        self.page.locator(f"{card} button.turn").first.click()
        self.wait_until("view3d.state() !== null")
        return self.state()

    def wait_until(self, condition, seconds=_PATIENCE_MS / 1000):
        """Polls from outside: the page's own policy forbids Playwright's way, which evaluates text inside."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.02)

    def state(self):
        return self.page.evaluate("view3d.state()")

    def keys(self):
        return self.page.evaluate(
            "[...document.querySelectorAll('#scene-table tbody tr:not([hidden])')].map(r => r.dataset.key)"
        )

    def check_quiet(self):
        """Nothing was said, and nothing but the page (and files beside it) was asked for."""
        assert self.said == []
        assert all(url.startswith((self.folder, "data:", "blob:")) for url in self.asked)


@pytest.fixture(scope="module")
def report(tmp_path_factory, small_body):
    folder = tmp_path_factory.mktemp("run")
    keys = ["hug", "dance", "broken", "unanswered"]
    fits = {key: made_fit(small_body, key, apart_m=0.3) for key in keys[:2]}
    fits["broken"] = Fit("broken", "failed: no visible keypoints")
    fits["unanswered"] = made_fit(small_body, "unanswered", status="fallback", answers=0, constraints=(), rejected=())
    scenes = [made_scene(key) for key in keys]
    return write_report(folder, scenes, fits, made_metrics(["hug", "dance", "unanswered"]), {}, {}, small_body)


@pytest.fixture
def visit(browser, report):
    made = Visit(browser, report)
    yield made
    made.page.close()


def test_the_view_turns_and_the_people_move(visit):
    page = visit.page
    state = visit.open_view("#scene-2")
    assert state["time"] == state["frames"] - 1 and len(state["middles"]) == 2
    canvas = page.locator(".view .canvas")
    first = canvas.screenshot()
    canvas.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    assert visit.state()["eye"] != state["eye"] and canvas.screenshot() != first
    box = canvas.bounding_box()
    eye = visit.state()["eye"]
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 320, box["y"] + 220, steps=3)
    page.mouse.up()
    turned = visit.state()["eye"]
    assert turned != eye
    page.mouse.wheel(0, -400)
    assert np.linalg.norm(visit.state()["eye"]) != pytest.approx(np.linalg.norm(turned), abs=1e-3)
    # To the start of the slider: the second person stands twice as far away.
    middle = visit.state()["middles"][1][0]
    page.locator(".view input[type=range]").focus()
    page.keyboard.press("Home")
    assert visit.state()["middles"][1][0] - middle == pytest.approx(0.3, abs=1e-3)
    assert page.locator(".view .when").inner_text() == "before"
    page.keyboard.press("End")
    assert visit.state()["middles"][1][0] == pytest.approx(middle, abs=1e-5)
    visit.check_quiet()


def test_playing_ends_at_the_fit(visit):
    visit.open_view("#scene-2")
    visit.page.locator(".view .canvas").focus()
    visit.page.keyboard.press(" ")
    visit.wait_until("view3d.state().time > 0 && view3d.state().time < view3d.state().frames - 1")
    visit.wait_until("view3d.state().time === view3d.state().frames - 1")
    visit.check_quiet()


def test_contacts_are_lit_and_measured(visit):
    page = visit.page
    state = visit.open_view("#scene-2")
    assert state["lines"] == 1 and state["labels"][0].endswith(" cm")  # 13 of 20 answers; 9 of 20 are less than half
    table = page.locator("#scene-2 table.contacts")
    assert "13/20" in table.inner_text()
    assert state["labels"][0].removesuffix(" cm") == table.locator("tbody tr td").nth(4).inner_text()
    before = page.locator(".view .canvas").screenshot()
    table.locator("input").nth(1).check()
    assert visit.state()["lines"] == 2
    assert page.locator(".view .canvas").screenshot() != before
    visit.check_quiet()


def test_one_view_at_a_time(visit):
    visit.open_view("#scene-1")
    visit.page.locator("#scene-2 button.turn").click()
    visit.wait_until("view3d.state() && view3d.state().scene === 'scene-2'")
    assert visit.page.locator("canvas").count() == 1
    visit.page.locator(".view .canvas").focus()
    visit.page.keyboard.press("Escape")
    assert visit.state() is None and visit.page.locator("canvas").count() == 0
    assert visit.page.evaluate("document.activeElement.className") == "turn"
    visit.check_quiet()


def test_tables_sort_and_filter(visit):
    page = visit.page
    assert visit.keys() == ["broken", "unanswered", "hug", "dance"]  # failures first
    head = page.locator("#scene-table thead button").nth(0)
    head.focus()
    page.keyboard.press("Enter")
    assert visit.keys() == ["broken", "dance", "hug", "unanswered"]
    page.keyboard.press("Enter")
    assert visit.keys() == ["unanswered", "hug", "dance", "broken"]
    assert page.locator("#scene-table th").nth(0).get_attribute("aria-sort") == "descending"
    for _ in range(2):
        page.locator("#scene-table thead button").nth(2).click()
        assert visit.keys()[-1] == "broken"  # without a value: last either way
    page.locator("#search").fill("AN")
    assert sorted(visit.keys()) == ["dance", "unanswered"]
    assert page.locator("article.scene:visible").count() == 2
    page.locator("#search").fill("")
    page.locator("#status").select_option("failed")
    assert visit.keys() == ["broken"]
    page.locator("#status").select_option("")
    page.locator("#figure").select_option(index=1)
    page.locator("#limit").fill("-1")
    assert len(visit.keys()) == 3
    page.locator("#side").select_option("below")
    assert visit.keys() == [] and page.locator("#shown").inner_text() == "0 of 4 scenes"
    visit.check_quiet()


def test_usable_on_a_narrow_screen_and_by_keyboard(browser, report):
    visit = Visit(browser, report, width=400, height=800)
    page = visit.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    visit.open_view("#scene-2")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    box = page.locator(".view .canvas").bounding_box()
    assert box["width"] > 300 and box["height"] > 250
    # From the button by Tab into the view, the slider and the sides.
    page.locator("#scene-2 button.turn").focus()
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.getAttribute('aria-label') || ''"))
    assert any("3D view" in name for name in reached) and "from before to after" in reached
    visit.check_quiet()
    page.close()


@pytest.mark.parametrize("as_folder", [False, pytest.param(True, marks=pytest.mark.heavy)])
def test_hostile_texts_are_text(browser, tmp_path, small_body, monkeypatch, as_folder):
    if as_folder:
        monkeypatch.setattr(report_html, "MOST_BYTES", 1)
    keys = [text.replace("/", "∕") for text in HOSTILE]
    pairs = tuple((text, "hand", 13) for text in HOSTILE)
    fits = {
        key: made_fit(small_body, key, constraints=pairs, rejected=tuple((text, text) for text in HOSTILE))
        for key in keys
    }
    fits[keys[0]] = Fit(keys[0], f"failed: {HOSTILE[1]}")
    info = {"device": HOSTILE[1], "versions": {HOSTILE[0]: HOSTILE[1]}}
    scenes = [made_scene(key) for key in keys]
    path = write_report(tmp_path, scenes, fits, made_metrics(keys), info, {"mode": HOSTILE[1]}, small_body)
    visit = Visit(browser, path)
    page = visit.page
    page.evaluate("window.scrollTo(0, document.querySelector('#scene-2').offsetTop)")
    page.wait_for_selector("#scene-2 table.contacts", state="attached")
    rows = "[...document.querySelectorAll('#scene-2 table.contacts tbody tr')]"
    shown = page.evaluate(f"{rows}.map(row => row.cells[0].textContent.trim())")
    assert sorted(" ".join(text.split()) for text in shown) == sorted(" ".join(text.split()) for text in HOSTILE)
    assert page.evaluate("[...document.querySelectorAll('#scene-table tbody tr')].map(r => r.dataset.key)") == keys
    assert page.evaluate("document.querySelectorAll('main b b, main svg[onload], main img[onerror], h3 *').length") == 0
    visit.open_view("#scene-2")
    visit.check_quiet()
    page.close()


@pytest.mark.heavy
def test_injected_scripts_would_not_run(browser, report, tmp_path):
    """The second fence: even markup that got through runs nothing."""
    copy = tmp_path / "report.html"
    evil = "<script>document.title = 'owned'</script><img src=data:, onerror=\"document.title='owned'\">"
    copy.write_text(report.read_text(encoding="utf-8").replace("<main>", f"<main>{evil}", 1), encoding="utf-8")
    visit = Visit(browser, copy)
    assert visit.page.title().startswith("prosepose") and any("Content Security Policy" in line for line in visit.said)
    visit.page.close()


def browser_seconds() -> float:
    """CPU time of all processes below this one, s; 0 where /proc is not."""
    parents, used = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
        used[int(stat.parent.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    below, grown = {os.getpid()}, True
    while grown:
        more = {process for process, parent in parents.items() if parent in below} - below
        below, grown = below | more, bool(more)
    return sum(used[process] for process in below - {os.getpid()})


@pytest.mark.slow
@pytest.mark.parametrize("count", [330, 500])
def test_many_scenes_open_within_3_seconds(browser, tmp_path, body, monkeypatch, count):
    """A file just below the limit, and a page with a folder.

    Where other jobs slow the machine down, the browser's own CPU time counts instead of the clock.
    """
    keys = [f"s{k:03d}" for k in range(count)]
    fit = made_fit(body, "any", apart_m=0.3)
    view = make_view(made_scene("any"), fit, ViewBody.of(body))
    monkeypatch.setattr(report_html, "make_view", lambda *_: view)  # making the views is not what is timed
    fits = {key: dataclasses.replace(fit, key=key) for key in keys}
    path = write_report(tmp_path, [made_scene(key) for key in keys], fits, made_metrics(keys), {}, {}, body)
    assert (tmp_path / "report_scenes").is_dir() == (count == 500)
    begin, used_before = time.monotonic(), browser_seconds()
    visit = Visit(browser, path)
    visit.page.wait_for_selector("#scene-0 button.turn", state="attached")
    opened, used_opening = time.monotonic() - begin, browser_seconds() - used_before
    visit.open_view("#scene-0")
    viewed, used_viewing = time.monotonic() - begin, browser_seconds() - used_before
    size = path.stat().st_size / 1e6
    print(f"{count} scenes, {size:.1f} MB: page {opened:.2f} s (CPU {used_opening:.2f} s), "
          f"its first 3D view {viewed:.2f} s (CPU {used_viewing:.2f} s)")  # fmt: skip
    assert opened < 3.0 or 0.0 < used_opening < 3.0
    last = count - 20
    visit.page.locator("#scene-table a", has_text=f"s{last}").click()
    visit.page.wait_for_selector(f"#scene-{last} button.turn")
    visit.check_quiet()
    visit.page.close()
