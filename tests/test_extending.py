"""docs/extending.md: its two examples run as they stand, on the small body, and do what the page says.

With few terms beside the one that they add; tests/terms/test_every_term.py looks at each of them.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_scenes import fewer_terms, use_fewer_terms

import prosepose_jax as pj
from prosepose_jax import terms
from prosepose_jax.fitting import FitSettings
from prosepose_jax.fitting.api import flatten, unflatten
from prosepose_jax.resources import demo_dir
from prosepose_jax.terms import kernels

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def _run(number: int, body: pj.BodyModel, folder: Path) -> dict[str, Any]:
    """The names that an example of the page leaves behind."""
    file = folder / "example.py"
    file.write_text(EXAMPLES[number], encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pj, "load_body", lambda: body)
        use_fewer_terms(patch)
        return runpy.run_path(str(file))


@pytest.fixture(scope="module")
def table(small_body: pj.BodyModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _run(0, small_body, tmp_path_factory.mktemp("table"))


@pytest.fixture(scope="module")
def loop(small_body: pj.BodyModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _run(1, small_body, tmp_path_factory.mktemp("loop"))


@jax.jit
def _energy_there(problem: pj.SceneProblem, params: pj.BodyParams) -> jax.Array:
    return pj.energy(problem, pj.search(problem, params, stage=0), params, stage=0)[0]


def _height(names: dict[str, Any], params: pj.BodyParams) -> float:
    """Metres of the right hand's lowest vertex above the table."""
    term, body = names["table"], names["body"]
    hand = term.prepare_body(body, None)
    points = np.asarray(pj.pose_body(body, params).vertices[term.person, hand], np.float64)
    return float(np.min(points @ np.array(term.normal)) - term.offset)


def test_the_page_has_two_examples_and_the_term_is_short() -> None:
    assert len(EXAMPLES) == 2
    (term,) = re.findall(r"^@dataclasses.*?(?=^\w+ = )", EXAMPLES[0], re.DOTALL | re.MULTILINE)
    assert "class OnTable(pj.Term)" in term and "def above" in term
    assert len(term.strip().splitlines()) <= 30


@pytest.mark.heavy
def test_the_hand_comes_to_lie_on_the_table(table: dict[str, Any]) -> None:
    before, after = (_height(table, params) for params in (table["problem"].initial, table["params"]))
    assert abs(before) > 0.05 and abs(after) < 0.015
    by_term = {name: float(value) for name, value in table["by_term"].items()}
    assert set(by_term) == {*(term.name for term in fewer_terms(FitSettings()).terms), "on_table"}
    assert by_term["on_table"] == pytest.approx(2e4 * after**2, rel=1e-3, abs=1e-6)
    assert sum(by_term.values()) == pytest.approx(float(table["value"]), rel=1e-5)


@pytest.mark.heavy
def test_a_term_of_ones_own_has_the_derivatives_of_its_energy(table: dict[str, Any]) -> None:
    """At the initial estimate, where it pulls hard: what it adds to gradient and curvature."""
    problem, term = table["problem"], table["table"]
    params = problem.initial
    found = jax.jit(pj.search)(problem, params)

    def own(flat: jax.Array) -> jax.Array:
        return pj.energy(problem, found, unflatten(flat, params))[1][term.name]

    def together(flat: jax.Array) -> jax.Array:
        return pj.energy(problem, found, unflatten(flat, params))[0]

    wanted, whole = jax.jit(lambda x: (jax.grad(own)(x), jax.grad(together)(x)))(flatten(params))
    gradient, curvature = jax.jit(pj.normal_equations)(problem, found, params)
    assert float(jnp.max(jnp.abs(wanted[term.person]))) > 100 and not np.any(np.asarray(wanted[1 - term.person]))
    np.testing.assert_allclose(gradient, whole, atol=1e-4 * float(jnp.max(jnp.abs(whole))))
    size = gradient.size
    np.testing.assert_allclose(curvature.reshape(size, size), curvature.reshape(size, size).T, rtol=1e-4, atol=1e-2)


@pytest.mark.heavy
def test_the_loop_minimises_the_energy_that_the_functions_give(loop: dict[str, Any]) -> None:
    history, problem = loop["history"], loop["problem"]
    assert len(history) == 100 and np.isfinite(history).all() and history[-1] < 0.5 * history[0]
    assert float(_energy_there(problem, problem.initial)) == pytest.approx(history[0], rel=1e-4)
    # The estimate's hands and face are not the fit's to move.
    for name in ("left_hand_pose", "jaw_pose", "expression", "kid_scale"):
        np.testing.assert_array_equal(getattr(loop["params"], name), getattr(problem.initial, name))


@pytest.mark.heavy
def test_search_and_energy_work_under_vmap(loop: dict[str, Any]) -> None:
    problem = loop["problem"]
    starts = jax.tree.map(lambda a, b: jnp.stack([a, b]), problem.initial, loop["params"])
    both = jax.vmap(_energy_there, (None, 0))(problem, starts)
    alone = [_energy_there(problem, params) for params in (problem.initial, loop["params"])]
    np.testing.assert_allclose(both, jnp.stack(alone), rtol=1e-4)


@pytest.mark.heavy
def test_settings_take_own_terms_for_batches(small_body: pj.BodyModel, table: dict[str, Any]) -> None:
    from prosepose_jax.fitting import Fitter, settings_from_config

    config = pj.load_config("two_person")
    config.stage1.steps = config.stage2.steps = 0
    with config.unlocked():
        config.stage2.weights.on_table = 7.0
    with pytest.raises(pj.InputError, match="stage2.weights.on_table is unknown"):
        settings_from_config(config)
    settings = settings_from_config(config, terms=(*pj.TERMS, table["table"]))
    assert settings.weights(fallback=False)["on_table"].tolist() == [2e4, 7.0]
    (fit,) = Fitter(small_body, settings).fit([table["scene"]], lambda key: table["answers"])
    assert fit.ok and fit.loss_terms[-1] == "on_table"


def test_the_page_names_what_there_is() -> None:
    scenes = demo_dir() / "scenes"
    assert all((scenes / f"{key}.npz").is_file() for key in re.findall(r's\.key == "(\w+)"', PAGE))
    table_of_kernels = re.findall(r"^\| `(\w+)` \| [sd2]", PAGE, re.MULTILINE)
    assert {"plain", "geman_mcclure", "saturating_distance", "pseudo_huber"} == set(table_of_kernels)
    assert all(callable(getattr(kernels, name)) for name in table_of_kernels)
    fields = {field for kind in (terms.Elements, terms.End, terms.OnBody) for field in kind.__dataclass_fields__}
    assert not {field for field in fields if f"`{field}`" not in PAGE}
    for kind in (terms.Lookup, terms.Context):
        named = set(re.findall(r"`(\w+)`", PAGE))
        assert {"vertices", "params", "mine", "data", "held"} & set(kind.__dataclass_fields__) <= named
    assert not {name for name in terms.Term.__dataclass_fields__ if f"`{name}" not in PAGE}
