"""Body files in every accepted layout, the files beside them, and what is said about bad ones."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

sys.path.insert(0, str(Path(__file__).resolve().parent))

import standins

from prosepose_jax.body import KEYPOINT_VERTEX_NAMES, BodyParams, hands_from_pca, load_body
from prosepose_jax.body import pose_body as eager_pose_body
from prosepose_jax.body.keypoints import SMPL_KEYPOINT_VERTICES, SMPLX_KEYPOINT_VERTICES
from prosepose_jax.errors import InputError

# One compilation a body layout instead of one an operation.
pose_body = jax.jit(eager_pose_body)


@pytest.fixture(scope="module")
def fields() -> dict[str, np.ndarray]:
    return standins.dense_fields(standins.SMALL, seed=5)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def extras(tmp_path_factory, fields) -> dict[str, Path]:
    """Small files for what would else be computed, to keep the tests quick."""
    folder = tmp_path_factory.mktemp("extras")
    count = len(fields["v_template"])
    low = {"vertex_ids": np.arange(4), "faces": np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])}
    np.savez(folder / "low.npz", **low)
    regions = {str(r): np.arange(r, count, 75).tolist() for r in range(75)}
    (folder / "regions.json").write_text(json.dumps(regions))
    ids = {name: 3 * i for i, name in enumerate(KEYPOINT_VERTEX_NAMES)}
    (folder / "keypoints.json").write_text(json.dumps(ids))
    return {
        "lowres": folder / "low.npz",
        "regions": folder / "regions.json",
        "keypoints": folder / "keypoints.json",
    }


def _write(path: Path, fields: dict) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **fields)
    else:
        path.write_bytes(pickle.dumps(fields, protocol=2))
    return path


def _same(a, b) -> None:
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-7), a, b)


def test_npz_and_pkl_hold_the_same_body(tmp_path, fields, extras) -> None:
    first = load_body(_write(tmp_path / "b.npz", fields), **extras)
    sparse = {**fields, "J_regressor": scipy.sparse.csc_matrix(fields["J_regressor"]), "joint2num": {"pelvis": 0}}
    second = load_body(_write(tmp_path / "b.pkl", sparse), **extras)
    _same(first, second.replace(name=first.name))
    assert first.num_joints == 55 and first.num_betas == 10 and first.num_expressions == 10
    assert first.parents[0] == -1 and first.pose_dirs is not None
    assert first.v_template.dtype == jnp.float32 and first.faces.dtype == jnp.int32


def test_official_layout_with_300_shapes_and_object_fields(tmp_path, fields, extras) -> None:
    count = len(fields["v_template"])
    rng = np.random.default_rng(0)
    wide = rng.normal(0, 1e-3, (count, 3, 400)).astype(np.float32)
    official = {
        **fields,
        "shapedirs": wide,
        "joint2num": np.array({"pelvis": 0}, dtype=object),
        "part2num": np.array({"head": 1}, dtype=object),
        "kintree_table": np.stack([fields["kintree_table"][0] % 2**32, np.arange(55)]).astype(np.uint32),
    }
    body = load_body(_write(tmp_path / "SMPLX_NEUTRAL.npz", official), **extras)
    np.testing.assert_array_equal(body.shape_dirs, wide[:, :, :10])
    np.testing.assert_array_equal(body.expression_dirs, wide[:, :, 300:310])
    np.testing.assert_allclose(
        body.joint_expression_dirs, np.einsum("jv,vdk->jdk", fields["J_regressor"], wide[:, :, 300:310]), atol=1e-7
    )
    more = load_body(tmp_path / "SMPLX_NEUTRAL.npz", num_betas=16, num_expressions=50, **extras)
    assert more.num_betas == 16 and more.num_expressions == 50
    np.testing.assert_array_equal(more.expression_dirs, wide[:, :, 300:350])


def test_object_array_in_npz_goes_through_the_restricted_unpickler(tmp_path, fields, extras) -> None:
    holder = np.empty((), dtype=object)
    holder[()] = scipy.sparse.csc_matrix(fields["J_regressor"])
    body = load_body(_write(tmp_path / "b.npz", {**fields, "J_regressor": holder}), **extras)
    np.testing.assert_allclose(body.joint_regressor, fields["J_regressor"], atol=1e-7)

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "touched",))

    holder[()] = Evil()
    with pytest.raises(InputError, match="b.npz.*weights.*refused.*pathlib"):
        load_body(_write(tmp_path / "b.npz", {**fields, "weights": holder}), **extras)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("joints", [24, 52])
def test_smpl_and_smplh(tmp_path, fields, extras, joints) -> None:
    smaller = standins.fewer_joints(fields, joints, num_betas=16 if joints == 52 else 10)
    body = load_body(_write(tmp_path / "m.pkl", smaller), **extras)
    assert body.num_joints == joints and body.num_expressions == 0
    assert body.num_betas == (16 if joints == 52 else 10)
    # Leaves that the model has no use for are ignored, hands of SMPL-H are not.
    params = BodyParams.zeros(1)
    odd = params.replace(jaw_pose=params.jaw_pose + 1.0, expression=params.expression + 1.0)
    posed = pose_body(body, params)
    assert posed.joints.shape == (1, joints, 3)
    np.testing.assert_array_equal(pose_body(body, odd).vertices, posed.vertices)
    fist = pose_body(body, params.replace(left_hand_pose=params.left_hand_pose + 0.5))
    assert (np.abs(fist.vertices - posed.vertices).max() > 1e-3) == (joints == 52)


def test_derived_parts_of_smaller_formats(tmp_path, fields) -> None:
    """Regions, keypoints, child and closed surface are computed for SMPL's 24 joints too."""
    body = load_body(_write(tmp_path / "m.npz", standins.fewer_joints(fields, 24)))
    assert bool(body.regions.mask.any(axis=1).all())
    assert len(set(np.asarray(body.keypoint_vertices).tolist())) == 11
    assert np.ptp(np.asarray(body.v_template + body.kid_dir)[:, 1]) < 0.7 * np.ptp(np.asarray(body.v_template)[:, 1])
    assert (tmp_path / "cache" / "prosepose_jax").is_dir()
    again = load_body(tmp_path / "m.npz")
    np.testing.assert_array_equal(again.lowres.faces, body.lowres.faces)


def test_files_beside_the_body_are_found(tmp_path, fields, extras) -> None:
    path = _write(tmp_path / "mine.npz", fields)
    (tmp_path / "mine_regions.json").write_bytes(extras["regions"].read_bytes())
    (tmp_path / "mine_keypoints.json").write_bytes(extras["keypoints"].read_bytes())
    (tmp_path / "mine_lowres.npz").write_bytes(extras["lowres"].read_bytes())
    template = standins.kid_template(fields, 1)
    np.save(tmp_path / "mine_kid_template.npy", template)
    body = load_body(path)
    np.testing.assert_array_equal(body.keypoint_vertices, np.arange(11) * 3)
    np.testing.assert_array_equal(body.lowres.vertex_ids, np.arange(4))
    np.testing.assert_array_equal(body.regions.vertex_ids[7][:3], [7, 82, 157])
    # As smplx: the template moved to its mean, minus the adult.
    np.testing.assert_allclose(body.kid_dir, template - template.mean(0) - fields["v_template"], atol=1e-6)
    np.testing.assert_allclose(body.joint_kid_dir, body.joint_regressor @ body.kid_dir, atol=1e-5)


def test_published_keypoint_vertices_equal_smplx_package() -> None:
    ids = pytest.importorskip("smplx.vertex_ids", reason="needs the extra `smplx`").vertex_ids
    order = ["nose", "reye", "leye", "rear", "lear", "LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel"]
    assert tuple(ids["smplx"][name] for name in order) == SMPLX_KEYPOINT_VERTICES
    assert tuple(ids["smplh"][name] for name in order) == SMPL_KEYPOINT_VERTICES


def test_hand_pca_and_mean(tmp_path, fields, extras) -> None:
    path = _write(tmp_path / "b.npz", {**fields, "hands_componentsl": fields["hands_componentsl"][:20]})
    body, flat = load_body(path, **extras), load_body(path, flat_hands=True, **extras)
    np.testing.assert_allclose(body.left_hand_mean.reshape(-1), fields["hands_meanl"], atol=1e-7)
    assert not np.any(flat.left_hand_mean) and not np.any(flat.right_hand_mean)
    coefficients = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    left, right = hands_from_pca(body, jnp.asarray(coefficients), jnp.asarray(coefficients))
    np.testing.assert_allclose(left.reshape(2, 45), coefficients @ fields["hands_componentsl"][:6], atol=1e-5)
    np.testing.assert_allclose(right.reshape(2, 45), coefficients @ fields["hands_componentsr"][:6], atol=1e-5)
    # Flat plus the mean given as pose is the mean hand.
    zeros = BodyParams.zeros(1)
    mean = zeros.replace(left_hand_pose=body.left_hand_mean[None], right_hand_pose=body.right_hand_mean[None])
    np.testing.assert_allclose(pose_body(flat, mean).vertices, pose_body(body, zeros).vertices, atol=1e-6)


def test_zero_or_missing_pose_blend_shapes(tmp_path, fields, extras) -> None:
    for variant in (np.zeros_like(fields["posedirs"]), fields["posedirs"][:, :, :0], None):
        changed = {**fields, "posedirs": variant} if variant is not None else dict(fields)
        if variant is None:
            del changed["posedirs"]
        assert load_body(_write(tmp_path / "b.npz", changed), **extras).pose_dirs is None


def test_half_precision_weights_are_made_to_sum_to_one(tmp_path, fields, extras) -> None:
    half = (fields["weights"] * 1.001).astype(np.float16)
    body = load_body(_write(tmp_path / "b.npz", {**fields, "weights": half}), **extras)
    np.testing.assert_allclose(body.skin_weights.sum(axis=1), 1.0, atol=1e-6)


def test_float64(tmp_path, fields, extras) -> None:
    path = _write(tmp_path / "b.npz", fields)
    with pytest.raises(InputError, match="float64.*x64"):
        load_body(path, dtype=np.float64, **extras)
    with jax.enable_x64(True):
        body = load_body(path, dtype=np.float64, **extras)
        assert body.v_template.dtype == np.float64
        double = jax.tree.map(lambda x: np.asarray(x, np.float64), standins.random_parameters(3, 1))
        exact = pose_body(body, BodyParams(**double)).vertices
        assert exact.dtype == np.float64
    single = pose_body(load_body(path, **extras), BodyParams(**standins.random_parameters(3, 1)))
    np.testing.assert_allclose(single.vertices, exact, atol=1e-5)


MISSING = ["v_template", "f", "shapedirs", "J_regressor", "weights", "kintree_table", "hands_meanl"]


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize("ending", ["npz", "pkl"])
def test_missing_field_is_named(tmp_path, fields, name, ending) -> None:
    path = _write(tmp_path / f"b.{ending}", {k: v for k, v in fields.items() if k != name})
    with pytest.raises(InputError, match=rf"b\.{ending}: field '{name}' is missing"):
        load_body(path)


def _damage(fields: dict, name: str) -> dict:
    """Ways to spoil a field, each a function without arguments."""
    value = fields[name]
    return {
        "cut": lambda: value[:-1],
        "nan": lambda: np.where(np.arange(value.size).reshape(value.shape) == 3, np.nan, value.astype(np.float64)),
        "text": lambda: value.astype(str),
    }


@pytest.mark.parametrize(
    ("name", "how", "said"),
    [
        ("v_template", "nan", "finite"),
        ("v_template", "text", "dtype <U"),
        ("weights", "cut", r"expected shape \(\d+, 55\), found"),
        ("J_regressor", "cut", r"expected shape \(55, \d+\), found \(54"),
        ("posedirs", "cut", r"expected shape \(\d+, 3, 486\)"),
        ("shapedirs", "cut", r"expected shape \(\d+, 3, n\)"),
        ("hands_meanl", "cut", r"expected shape \(45,\), found \(44,\)"),
        ("f", "nan", "finite"),
    ],
)
def test_wrong_field_is_named(tmp_path, fields, extras, name, how, said) -> None:
    path = _write(tmp_path / "b.npz", {**fields, name: _damage(fields, name)[how]()})
    with pytest.raises(InputError, match=rf"b\.npz: field '{name}': .*{said}"):
        load_body(path, **extras)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"f": np.array([[0, 1, 10**6]])}, "field 'f': expected ids from 0 to"),
        ({"kintree_table": np.zeros((2, 16), np.int64)}, "24 .SMPL., 52 .SMPL-H., 55 .SMPL-X. joints, found 16"),
        ({"kintree_table": np.tile(np.arange(55), (2, 1))}, "parent must come before"),
    ],
)
def test_impossible_values_are_named(tmp_path, fields, extras, change, said) -> None:
    with pytest.raises(InputError, match=said):
        load_body(_write(tmp_path / "b.npz", {**fields, **change}), **extras)


def test_unusable_weights_are_refused(tmp_path, fields, extras) -> None:
    with pytest.raises(InputError, match="'weights'.*sum to 1, found a row with sum 2"):
        load_body(_write(tmp_path / "b.npz", {**fields, "weights": 2 * fields["weights"]}), **extras)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
@pytest.mark.parametrize("ending", ["npz", "pkl"])
def test_truncated_files(tmp_path, fields, ending, share) -> None:
    path = _write(tmp_path / f"b.{ending}", fields)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=rf"b\.{ending}: not a (complete|readable)"):
        load_body(path)


def test_damaged_member_is_named(tmp_path, fields, extras) -> None:
    path = tmp_path / "b.npz"
    np.savez(path, **fields)
    data = bytearray(path.read_bytes())
    at = data.index(fields["weights"][:4].tobytes())
    data[at] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="field .weights.: cannot be read"):
        load_body(path, **extras)


def test_no_such_file_folder_and_ending(tmp_path, fields) -> None:
    with pytest.raises(InputError, match="nothing.npz: no such file"):
        load_body(tmp_path / "nothing.npz")
    _write(tmp_path / "SMPLX_MALE.npz", {"a": np.zeros(1)})
    with pytest.raises(InputError, match="is a folder.*SMPLX_MALE.npz"):
        load_body(tmp_path)
    (tmp_path / "body.txt").write_text("x")
    with pytest.raises(InputError, match=r"expected a \.npz or \.pkl file, found \.txt"):
        load_body(tmp_path / "body.txt")


@pytest.mark.parametrize(
    ("which", "content", "said"),
    [
        ("keypoints", {"nose": 1}, "'right_eye' is missing"),
        ("keypoints", dict.fromkeys(KEYPOINT_VERTEX_NAMES, 10**7), "'nose': expected ids from 0"),
        ("keypoints", dict.fromkeys(KEYPOINT_VERTEX_NAMES, "a"), "'nose': expected an array of numbers"),
        ("keypoints", [1, 2], "expected a JSON object"),
        ("regions", {"0": [1]}, "75 regions"),
    ],
)
def test_bad_extra_files(tmp_path, fields, extras, which, content, said) -> None:
    (tmp_path / "extra.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"extra.json.*{said}"):
        load_body(_write(tmp_path / "b.npz", fields), **{**extras, which: tmp_path / "extra.json"})


def test_open_lowres_and_wrong_child_are_refused(tmp_path, fields, extras) -> None:
    path = _write(tmp_path / "b.npz", fields)
    np.savez(tmp_path / "open.npz", vertex_ids=np.arange(4), faces=np.array([[0, 1, 2], [0, 1, 3]]))
    with pytest.raises(InputError, match="open.npz: field 'faces': expected a closed surface"):
        load_body(path, **{**extras, "lowres": tmp_path / "open.npz"})
    np.save(tmp_path / "kid.npy", np.zeros((3, 3)))
    with pytest.raises(InputError, match="kid.npy: the child template: expected shape"):
        load_body(path, kid_template=tmp_path / "kid.npy", **extras)
    (tmp_path / "kid.npy").write_bytes(b"\x93NUM")
    with pytest.raises(InputError, match="kid.npy"):
        load_body(path, kid_template=tmp_path / "kid.npy", **extras)


def test_embedded_body() -> None:
    body = load_body()
    assert body.name == "embedded" and body.num_joints == 55
    assert 500 < len(body.lowres.vertex_ids) < 2500
    assert bool(body.regions.mask.any(axis=1).all())
