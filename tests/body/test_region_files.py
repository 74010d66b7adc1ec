"""Region files of the user, and the packing of regions for the model."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from prosepose_jax.body.regions import load_regions, region_labels, regions_from_lists
from prosepose_jax.errors import InputError

V = 200


@pytest.fixture
def mapping():
    rng = np.random.default_rng(1)
    return {region: rng.choice(V, size=rng.integers(1, 9), replace=False).tolist() for region in range(75)}


def write(path, mapping):
    if path.suffix == ".json":
        path.write_text(json.dumps(mapping))
    elif path.suffix == ".npz":
        np.savez(path, **{str(region): np.array(ids) for region, ids in mapping.items()})
    else:
        path.write_bytes(pickle.dumps(mapping))
    return path


@pytest.mark.parametrize("suffix", [".json", ".npz", ".pkl"])
def test_reads_every_kind(tmp_path, mapping, suffix):
    lists = load_regions(write(tmp_path / f"regions{suffix}", mapping), V)
    assert [ids.tolist() for ids in lists] == [sorted(mapping[r]) for r in range(75)]


@pytest.mark.parametrize("values", [set, tuple, np.array, lambda ids: np.array(ids, np.float64), lambda ids: ids + ids])
def test_reads_sets_arrays_and_repeats(tmp_path, mapping, values):
    file = write(tmp_path / "r.pkl", {np.int64(r): values(ids) for r, ids in mapping.items()})
    assert [ids.tolist() for ids in load_regions(str(file), V)] == [sorted(mapping[r]) for r in range(75)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop(12), r"missing 12 \(back right knee\)"),
        (lambda m: m.update({75: [1]}), "unknown region '75'"),
        (lambda m: m.update({"arm": [1]}), "unknown region 'arm'"),
        (lambda m: m.update({3: []}), r"region 3 \(left fingers back side\): expected at least one vertex"),
        (lambda m: m.update({3: [0, V]}), r"region 3 .*expected vertex ids in 0..199.*found 0..200"),
        (lambda m: m.update({3: [-1, 4]}), "region 3 .*found -1..4"),
        (lambda m: m.update({3: [0.5]}), "region 3 .*integer"),
        (lambda m: m.update({3: ["a"]}), "region 3 .*integer"),
        (lambda m: m.update({3: [[1], [2, 3]]}), "region 3 .*list of vertex ids"),
        (lambda m: m.update({3: None}), "region 3 .*integer"),
    ],
)
def test_bad_regions_are_named(tmp_path, mapping, change, message):
    change(mapping)
    file = write(tmp_path / "regions.json", mapping)
    with pytest.raises(InputError, match=message) as error:
        load_regions(file, V)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.json", b"{not json", "not JSON: .* line 1"),
        ("r.json", b"\xff\xfe\x00", "expected UTF-8 text"),
        ("r.json", b"[1, 2]", "expected {region id: vertex ids}, found list"),
        ("r.npz", b"PK\x03\x04broken", "not a readable .npz file"),
        ("r.npz", b"", "not a readable .npz file"),
        ("r.txt", b"{}", "ending in .pkl, .json or .npz"),
        ("r.pkl", pickle.dumps([1, 2]), "expected {region id: vertex ids}, found list"),
    ],
)
def test_unreadable_files_are_named(tmp_path, name, content, message):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        load_regions(file, V)
    assert str(file) in str(error.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such region file"):
        load_regions(tmp_path / "none.json", V)


class _Runs:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code ran')",))


@pytest.mark.parametrize("content", [pickle.dumps({0: _Runs()}), pickle.dumps({0: [1]})[:-4], b"garbage", b""])
def test_pickle_runs_no_code(tmp_path, content):
    file = tmp_path / "r.pkl"
    file.write_bytes(content)
    with pytest.raises(InputError) as error:
        load_regions(file, V)
    assert str(file) in str(error.value)


def test_packing_keeps_every_vertex(mapping):
    lists = [np.unique(mapping[r]) for r in range(75)]
    regions = regions_from_lists(lists, V)
    ids, mask = np.asarray(regions.vertex_ids), np.asarray(regions.mask)
    assert ids.shape == mask.shape == (75, max(map(len, lists)))
    assert ids.dtype == np.int32 and mask.dtype == bool
    for region in range(75):
        assert ids[region][mask[region]].tolist() == lists[region].tolist()
        assert (ids[region][~mask[region]] == lists[region][0]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lists: lists.pop(), "expected 75 lists"),
        (lambda lists: lists.__setitem__(7, []), r"region 7 \(right lower chest\)"),
        (lambda lists: lists.__setitem__(7, [V]), "region 7 .*0..199"),
        (lambda lists: lists.__setitem__(7, [-1]), "region 7 .*0..199"),
    ],
)
def test_packing_refuses(mapping, change, message):
    lists = [np.unique(mapping[r]) for r in range(75)]
    change(lists)
    with pytest.raises(InputError, match=message):
        regions_from_lists(lists, V)


def test_labels_of_overlapping_regions():
    lists = [np.array([r, r + 1]) for r in range(75)]
    labels = region_labels(lists, 80)
    assert labels[:3].tolist() == [0, 0, 1] and labels[75:].tolist() == [74, -1, -1, -1, -1]
