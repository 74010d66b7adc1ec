from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from prosepose_jax.errors import InputError
from prosepose_jax.io import has_fit, load_fit, load_fits, save_fit, write_bytes, write_json, write_npz
from prosepose_jax.scene import Fit


def fit(key: str = "a_0", **changes) -> Fit:
    rng = np.random.default_rng(3)

    def floats(*shape):
        return rng.normal(size=shape).astype(np.float32)

    losses = floats(2, 5, 3)
    losses[0, 3:] = np.nan  # the stage ended early
    values = {
        "key": key,
        "status": "ok",
        "global_orient": floats(2, 3),
        "body_pose": floats(2, 21, 3),
        "betas": floats(2, 10),
        "transl": floats(2, 3),
        "vertices": floats(2, 40, 3),
        "joints": floats(2, 55, 3),
        "initial_vertices": floats(2, 40, 3),
        "initial_joints": floats(2, 55, 3),
        "loss_terms": ("keypoints", "contact", "prior"),
        "losses": losses,
        "steps": np.array([3, 5], np.int32),
        "seconds": 1.5,
        "answers": 20,
        "answers_usable": 18,
        "rows_rejected": 1,
        "rejected": (("| nose | head |", "unknown part 'nose'"),),
        "constraints": (("hand", "back", 12), ("head", "head", 3)),
        "kid_scale": floats(2),
    }
    return Fit(**(values | changes))


def assert_equal(a: Fit, b: Fit) -> None:
    for field in dataclasses.fields(Fit):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            np.testing.assert_array_equal(x, y, err_msg=field.name)
        else:
            assert x == y, field.name


def test_round_trip(tmp_path):
    path = save_fit(tmp_path, fit())
    assert path == tmp_path / "fits" / "a_0.npz"
    assert_equal(load_fit(path), fit())
    with np.load(path, allow_pickle=False) as stored:  # as formats.md promises
        assert str(stored["status"]) == "ok"
        assert stored["vertices"].shape == (2, 40, 3) and stored["losses"].shape == (2, 5, 3)
        assert all(not stored[name].dtype.hasobject for name in stored.files)


def test_fit_without_rows_or_losses(tmp_path):
    bare = fit(rejected=(), constraints=(), losses=None, loss_terms=(), steps=None, kid_scale=None, status="fallback")
    assert_equal(load_fit(save_fit(tmp_path, bare)), bare)


def test_folder_forms_and_variants(tmp_path):
    save_fit(tmp_path, fit("b"))
    save_fit(tmp_path / "fits", fit("a"))
    save_fit(tmp_path, fit("a", variant="no_answers"))
    assert (tmp_path / "no_answers" / "a.npz").is_file()
    assert list(load_fits(tmp_path)) == list(load_fits(tmp_path / "fits")) == ["a", "b"]
    assert list(load_fits(tmp_path, "no_answers")) == list(load_fits(tmp_path / "fits", "no_answers")) == ["a"]
    assert load_fits(tmp_path, "no_answers")["a"].variant == "no_answers"
    assert load_fits(tmp_path, "heuristic") == {}
    with pytest.raises(InputError, match="no fits"):
        load_fits(tmp_path / "nowhere")


def test_failed_fit_keeps_its_reason_and_is_tried_again(tmp_path):
    path = save_fit(tmp_path, fit(status="failed: not finite at step 3"))
    with np.load(path, allow_pickle=False) as stored:
        assert "vertices" not in stored.files
    again = load_fits(tmp_path)["a_0"]
    assert again.status == "failed: not finite at step 3" and again.vertices is None and not again.ok
    assert not has_fit(tmp_path, "a_0")
    save_fit(tmp_path, fit())
    assert has_fit(tmp_path, "a_0") and not has_fit(tmp_path, "other") and not has_fit(tmp_path, "a_0", "no_answers")


def test_damaged_fit_is_refitted_and_reported(tmp_path):
    path = save_fit(tmp_path, fit())
    save_fit(tmp_path, fit("b"))
    path.write_bytes(path.read_bytes()[:-500])
    assert not has_fit(tmp_path, "a_0")
    fits = load_fits(tmp_path)
    assert fits["b"].ok and fits["a_0"].status.startswith("failed: unreadable fit file")
    with np.load(tmp_path / "fits" / "b.npz") as stored:
        some = {name: stored[name] for name in stored.files if name != "joints"}
    np.savez(tmp_path / "fits" / "b.npz", **some)
    assert not has_fit(tmp_path, "b") and "joints" in load_fits(tmp_path)["b"].status


def test_temporary_files_are_not_fits(tmp_path):
    save_fit(tmp_path, fit("a"))
    (tmp_path / "fits" / ".b.npz.99-00ff.tmp").write_bytes(b"half")
    assert list(load_fits(tmp_path)) == ["a"]


def test_ok_fit_without_vertices_is_refused(tmp_path):
    with pytest.raises(ValueError, match="vertices"):
        save_fit(tmp_path, fit(vertices=None))
    assert not (tmp_path / "fits").exists()


def test_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    write_bytes(tmp_path / "x", b"old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_bytes(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["x"]


def test_writers_refuse_what_could_not_be_read(tmp_path):
    with pytest.raises(TypeError, match="object"):
        write_npz(tmp_path / "x.npz", {"a": np.array({}, dtype=object)})
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []
