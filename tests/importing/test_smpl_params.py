"""`--source=smpl`: parameter files of several tools, one or several people, with and without joints."""

from __future__ import annotations

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from foreign_files import FOCAL, SIZE, make_people, pose22, project, write_image, write_openpose

from prosepose_jax.apps.import_ import main
from prosepose_jax.body import axis_angle_to_matrix
from prosepose_jax.errors import InputError
from prosepose_jax.importing.sources.smpl import read_smpl
from prosepose_jax.io import load_scene

COUNT = 2
_matrices = jax.jit(axis_angle_to_matrix)


@pytest.fixture(scope="module")
def people(small_body):
    return make_people(small_body, [(-0.3, 4.0), (0.3, 4.3)], [0.0, 0.0])


def matrices(rotations: np.ndarray) -> np.ndarray:
    return np.asarray(_matrices(jnp.asarray(rotations, jnp.float32)))


def smpl_pose(people) -> np.ndarray:
    """(n, 24, 3): SMPL has one more joint in each hand."""
    return np.concatenate([pose22(people), np.zeros((COUNT, 2, 3))], axis=1).astype(np.float32)


def plain(people) -> dict[str, np.ndarray]:
    return {
        "global_orient": pose22(people)[:, 0],
        "body_pose": pose22(people)[:, 1:].reshape(COUNT, 63),
        "transl": np.asarray(people.params.transl),
        "betas": np.asarray(people.params.betas),
        "focal_length": np.float32(FOCAL),
        "img_size": np.array(SIZE),
    }


def hmr2(people) -> dict:
    """4D-Humans: nested matrices, joints without the translation in OpenPose's order, focal length of the image."""
    rotations = matrices(smpl_pose(people))
    transl = np.asarray(people.params.transl)
    keypoints = np.zeros((COUNT, 44, 3), np.float32)
    keypoints[:, :25] = people.body25 - transl[:, None]
    return {
        "pred_smpl_params": {"global_orient": rotations[:, :1], "body_pose": rotations[:, 1:],
                             "betas": np.full((COUNT, 10), 3.0, np.float32)},
        "pred_cam_t": np.full((COUNT, 3), 50.0),  # of the crop: not to be used
        "pred_cam_t_full": transl,
        "pred_keypoints_3d": keypoints,
        "pred_keypoints_2d": np.zeros((COUNT, 44, 2)),
        "scaled_focal_length": np.array([FOCAL, FOCAL]),
        "focal_length": np.array([5000.0, 5000.0]),
        "img_size": np.array([SIZE, SIZE]),
    }  # fmt: skip


def with_pose(people, pose) -> dict:
    fields = plain(people) | {"poses": pose}
    return {name: value for name, value in fields.items() if name not in ("global_orient", "body_pose")}


def check(estimates, people, atol=1e-5):
    assert len(estimates.people) == COUNT
    for i, person in enumerate(estimates.people):
        assert person.pose.shape == (22, 3)
        np.testing.assert_allclose(matrices(person.pose), matrices(pose22(people)[i]), atol=1e-4)
        np.testing.assert_allclose(person.transl, people.params.transl[i], atol=atol)
    np.testing.assert_array_equal(estimates.image_size, SIZE)
    np.testing.assert_allclose(estimates.focal_length, FOCAL, rtol=1e-5)
    np.testing.assert_allclose(estimates.principal_point, np.array(SIZE) / 2)


def save(path, fields):
    if path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(fields))
    else:
        np.savez(path, **{k: np.array(v, dtype=object) if isinstance(v, dict) else v for k, v in fields.items()})
    return path


LAYOUTS = {
    "plain": plain,
    "rotations as (n, 21, 3)": lambda p: plain(p) | {"body_pose": pose22(p)[:, 1:]},
    "rotations as matrices": lambda p: (
        plain(p) | {"body_pose": matrices(pose22(p)[:, 1:]), "global_orient": matrices(pose22(p)[:, 0])}
    ),
    "global_orient (n, 1, 3)": lambda p: plain(p) | {"global_orient": pose22(p)[:, :1]},
    "SMPL body pose": lambda p: plain(p) | {"body_pose": smpl_pose(p)[:, 1:].reshape(COUNT, 69)},
    "SMPL pose": lambda p: with_pose(p, smpl_pose(p).reshape(COUNT, 72)),
    "SMPL-X pose": lambda p: with_pose(p, np.concatenate([pose22(p), np.zeros((COUNT, 33, 3))], 1).reshape(COUNT, 165)),
    "hmr2": hmr2,
    "intrinsics": lambda p: (
        {k: v for k, v in plain(p).items() if k not in ("focal_length", "img_size")}
        | {"K": np.array([[FOCAL, 0, SIZE[0] / 2], [0, FOCAL, SIZE[1] / 2], [0, 0, 1.0]])}
    ),
    "focal length left out": lambda p: {k: v for k, v in plain(p).items() if k != "focal_length"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ending", ["npz", "pkl"])
def test_layouts(tmp_path, people, layout, ending):
    check(read_smpl(save(tmp_path / f"params.{ending}", LAYOUTS[layout](people))), people)


def test_list_of_people(tmp_path, people):
    fields = plain(people)
    shared = ("focal_length", "img_size")
    each = [{k: v if k in shared else v[i] for k, v in fields.items()} for i in range(COUNT)]
    check(read_smpl(save(tmp_path / "p.pkl", {"people": each})), people)
    (tmp_path / "list.pkl").write_bytes(pickle.dumps(each))
    check(read_smpl(tmp_path / "list.pkl"), people)


def test_joints_with_or_without_their_translation(tmp_path, people):
    transl = np.asarray(people.params.transl)
    for joints in (people.joints, people.joints - transl[:, None]):
        estimates = read_smpl(save(tmp_path / "p.npz", plain(people) | {"joints3d": joints[:, :24]}))
        for i, person in enumerate(estimates.people):
            np.testing.assert_allclose(person.joints, people.joints[i, :22], atol=1e-5)
            np.testing.assert_allclose(person.joints_px, project(people.joints[i, :22]), atol=1e-2)


def test_keypoints_of_hmr2_become_joints(tmp_path, people):
    for i, person in enumerate(read_smpl(save(tmp_path / "p.pkl", hmr2(people))).people):
        known = [0, 1, 2, 4, 5, 7, 8, 12, 16, 17, 18, 19, 20, 21]
        np.testing.assert_allclose(person.joints[known], people.joints[i, known], atol=1e-5)
        assert np.isnan(np.delete(person.joints, known, axis=0)).all()
        np.testing.assert_allclose(person.landmarks, people.body25[i, [0, *range(15, 25)]], atol=1e-5)


def test_hands_and_jaw(tmp_path, people):
    pose = np.random.default_rng(0).normal(0, 0.1, (COUNT, 55, 3)).astype(np.float32)
    pose[:, :22] = pose22(people)
    for i, person in enumerate(read_smpl(save(tmp_path / "p.npz", with_pose(people, pose))).people):
        np.testing.assert_array_equal(person.jaw_pose, pose[i, 22])
        np.testing.assert_array_equal(person.left_hand_pose, pose[i, 25:40])
        np.testing.assert_array_equal(person.right_hand_pose, pose[i, 40:])


def without(people, *names):
    return {k: v for k, v in plain(people).items() if k not in names}


BAD = {
    "no pose": (lambda p: without(p, "body_pose"), ["body_pose", "missing", "full pose"]),
    "no orientation": (lambda p: without(p, "global_orient"), ["global_orient", "missing"]),
    "no translation": (lambda p: without(p, "transl"), ["transl", "missing", "cam_t"]),
    "no size": (lambda p: without(p, "img_size"), ["image_size", "missing"]),
    "wrong pose": (lambda p: plain(p) | {"body_pose": np.zeros((COUNT, 60))}, ["body_pose", "21 or 23", "(2, 60)"]),
    "nan": (lambda p: plain(p) | {"transl": np.full((COUNT, 3), np.nan)}, ["transl", "finite"]),
    "people differ": (lambda p: plain(p) | {"global_orient": np.zeros((3, 3))}, ["body_pose", "3 people"]),
    "behind": (lambda p: plain(p) | {"transl": -np.asarray(p.params.transl)}, ["transl", "in front of the camera"]),
    "focal": (lambda p: plain(p) | {"focal_length": np.float32(-1)}, ["focal_length", "positive"]),
    "two cameras": (lambda p: plain(p) | {"focal_length": np.array([500.0, 600, 700])}, ["focal_length", "one camera"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_fields_are_named(tmp_path, people, name):
    make, words = BAD[name]
    path = save(tmp_path / "p.npz", make(people))
    with pytest.raises(InputError) as error:
        read_smpl(path)
    for word in [str(path), *words]:
        assert word in str(error.value)


def command(small_body_file, folder, *more):
    out = folder / "scenes"
    status = main(
        ["prosepose import", "--source=smpl", f"--body={small_body_file}", f"--estimates={folder / 'p.npz'}",
         f"--keypoints={folder / 'k.json'}", "--name=k", f"--out={out}", *more]
    )  # fmt: skip
    assert status == 0
    return [load_scene(path) for path in sorted(out.glob("*.npz"))]


def test_kept_parameters_are_kept(small_body_file, tmp_path, people):
    save(tmp_path / "p.npz", plain(people))
    write_openpose(tmp_path / "k.json", people.detections([1, 0]))
    (scene,) = command(small_body_file, tmp_path, "--betas=keep")
    np.testing.assert_allclose(scene.betas, people.params.betas, atol=1e-6)
    np.testing.assert_allclose(scene.transl, people.params.transl, atol=1e-6)
    np.testing.assert_allclose(scene.body_pose, people.params.body_pose, atol=1e-6)


def test_scene_of_each_person_from_hmr2(small_body_file, tmp_path, people):
    save(tmp_path / "p.npz", hmr2(people))
    write_openpose(tmp_path / "k.json", people.detections([1, 0]))
    write_image(tmp_path / "photo.png")
    scenes = command(small_body_file, tmp_path, "--people=1", f"--image={tmp_path / 'photo.png'}")
    assert [s.key for s in scenes] == ["k_0", "k_1"]
    for i, scene in enumerate(scenes):
        np.testing.assert_allclose(scene.keypoints[0], people.detections([i])[0], atol=1e-3)
        assert np.abs(scene.betas).max() < 2.9  # the tool's shape numbers (all 3) belong to its own body


def test_without_joints_the_keypoints_say_what_the_translation_is_of(small_body_file, tmp_path, people):
    save(tmp_path / "p.npz", plain(people) | {"body_pose": smpl_pose(people)[:, 1:].reshape(COUNT, 69)})
    write_openpose(tmp_path / "k.json", people.detections([0, 1]))
    (scene,) = command(small_body_file, tmp_path)
    assert not scene.betas.any()
    np.testing.assert_allclose(scene.body_pose, people.params.body_pose, atol=1e-6)
    # SMPL's rest pelvis would be 22 cm below the origin of its translation; the keypoints say that it isn't here.
    from prosepose_jax.body import load_body

    pelvis = np.asarray(load_body(small_body_file).joint_template)[0] + scene.transl
    np.testing.assert_allclose(pelvis - np.asarray(people.params.transl), 0.0, atol=1e-5)
