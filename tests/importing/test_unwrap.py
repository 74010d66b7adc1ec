"""What users save of 4D-Humans' demo: the output beside its batch, in every order and by any name."""

from __future__ import annotations

import numpy as np
import pytest
from foreign_containers import write_pickle, write_torch
from foreign_files import make_people, write_image
from foreign_tools import HMR2_FOCAL, hmr2, one_each, roots, wham

from prosepose_jax.errors import InputError
from prosepose_jax.importing.sources.table import open_estimates

BATCH = ("box_center", "box_size", "img_size")


@pytest.fixture(scope="module")
def people(small_body):
    return make_people(small_body, [(-0.35, 3.4), (0.3, 3.7)], [0.0, 0.0], seed=4)


def output_and_batch(fields: dict) -> tuple[dict, dict]:
    batch = {name: fields[name] for name in BATCH} | {"img": np.zeros((2, 3, 4, 4), np.float32)}
    return {name: value for name, value in fields.items() if name not in BATCH}, batch


def batches(fields: dict) -> tuple[list[dict], list[dict]]:
    """Outputs and batches of one person each, the axis over people kept."""
    pairs = [output_and_batch(fields) for _ in range(2)]
    cut = [[one_each(part, slice(i, i + 1)) for part in pair] for i, pair in enumerate(pairs)]
    return [out for out, _ in cut], [batch for _, batch in cut]


SAVED = {
    "out and batch": lambda f: dict(zip(("out", "batch"), output_and_batch(f), strict=True)),
    "a tuple": output_and_batch,
    "a list of pairs": lambda f: list(zip(*batches(f), strict=True)),
    "a list of dictionaries": lambda f: [{"out": o, "batch": b} for o, b in zip(*batches(f), strict=True)],
    "two lists": lambda f: dict(zip(("outputs", "batches"), batches(f), strict=True)),
    "people by number": lambda f: {i: one_each(f, i) for i in range(2)},
    "people by name": lambda f: {f"person_{i}": one_each(f, i) for i in range(2)},
    "the picture by name": lambda f: {"photo.png": f},
    "pictures by name": lambda f: {"b/other.png": one_each(f, slice(0, 1)), "a/photo.png": f},
}


@pytest.mark.parametrize("write", [write_torch, write_pickle])
@pytest.mark.parametrize("name", SAVED)
def test_outputs_as_they_are_saved(tmp_path, people, name, write):
    path = write(tmp_path / "saved.pt", SAVED[name](hmr2(people, False)))
    found = open_estimates([path], write_image(tmp_path / "photo.png")).read()
    assert "4D-Humans" in found.tool
    np.testing.assert_allclose([p.root for p in found.people], roots(people, HMR2_FOCAL), rtol=0.01, atol=0.02)


def test_of_several_pictures_one_has_to_be_named(tmp_path, people):
    fields = hmr2(people, False)
    named = write_pickle(tmp_path / "saved.pkl", {"one.jpg": one_each(fields, slice(0, 1)), "two.jpg": fields})
    numbered = write_pickle(tmp_path / "numbers.pkl", {f"{i:06d}": fields for i in range(3)})
    photo = write_image(tmp_path / "photo.png")
    for path in (named, numbered):
        with pytest.raises(InputError, match="holds . pictures .*--frame"):
            open_estimates([path], photo)
    assert len(open_estimates([named], photo, frame="one.jpg").read().people) == 1
    assert len(open_estimates([numbered], photo, frame="000001").read().people) == 2


def test_tracks_of_a_tool_stay_as_the_tool_files_them(tmp_path, people):
    path = write_pickle(tmp_path / "w.pkl", wham(people))
    assert open_estimates([path], write_image(tmp_path / "photo.png"), frame="8").read().tool == "WHAM"
