"""Every tool's layout, in miniatures of our own: recognised, and read to the same two people."""

from __future__ import annotations

import numpy as np
import pytest
from foreign_containers import write_npz, write_pickle
from foreign_files import FOCAL, SIZE, make_people, pose22, write_image
from foreign_tools import MINIATURES, Case, buddi, gvhmr, hmr2, make, roots, smplifyx
from PIL import Image

from prosepose_jax.errors import InputError
from prosepose_jax.importing.sources.common import REST_PELVIS
from prosepose_jax.importing.sources.rotations import axis_angle, matrix
from prosepose_jax.importing.sources.table import SOURCES, open_estimates


@pytest.fixture(scope="module")
def people(small_body):
    return make_people(small_body, [(-0.35, 3.4), (0.3, 3.7)], [0.0, 0.0], seed=4)


@pytest.fixture
def photo(tmp_path):
    return write_image(tmp_path / "photo.png")


def read(case: Case, photo, source="auto"):
    return open_estimates(case.paths, photo, source, case.frame, case.given_focal).read()


def angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between rotations given as axis-angle (..., 3)."""
    turn = np.swapaxes(matrix(a), -1, -2) @ matrix(b)
    return np.degrees(np.arccos(np.clip((np.trace(turn, axis1=-2, axis2=-1) - 1) / 2, -1, 1)))


def check(found, case: Case, people) -> None:
    assert case.title in found.tool or case.title.split()[0] in found.tool
    assert len(found.people) == case.people
    np.testing.assert_allclose(found.focal_length, case.focal, rtol=1e-4)
    np.testing.assert_allclose(found.principal_point, case.centre, atol=0.01)
    np.testing.assert_array_equal(found.image_size, SIZE)
    wanted = roots(people, case.focal, np.array(case.centre))
    for i, person in enumerate(found.people):
        if person.pose is not None:  # else the root is a guess that the joints mend
            np.testing.assert_allclose(person.root[:2], wanted[i, :2], atol=0.02)
            np.testing.assert_allclose(person.root[2], wanted[i, 2], rtol=0.01)
            assert angles(person.pose, pose22(people)[i]).max() < 0.1
        if person.joints is not None:
            known = np.isfinite(person.joints).all(axis=1)
            moved = people.joints[i, :22] - people.joints[i, 0] + wanted[i]
            np.testing.assert_allclose(person.joints[known], moved[known], atol=0.02)


@pytest.mark.parametrize("name", MINIATURES)
def test_layouts_of_tools(tmp_path, people, photo, name):
    case = make(name, people, tmp_path / "files")
    check(read(case, photo), case, people)


def test_every_tool_that_is_read_has_a_miniature(tmp_path, people, photo):
    """A reader without a miniature would be guarded by nothing."""
    seen = {
        open_estimates(make(name, people, tmp_path / str(i)).paths, photo).source for i, name in enumerate(MINIATURES)
    }
    lacking = {name for name, source in SOURCES.items() if source not in seen}
    assert lacking == {"hsmr", "motion", "slahmr", "checkpoint", "smpl"}  # refused, and tested by themselves


VIDEOS = ("bev video", "phalp", "prompthmr video", "pymafx", "wham", "vibe", "gvhmr", "gvhmr npz", "tram")


@pytest.mark.parametrize("name", VIDEOS)
def test_frames_never_become_people(tmp_path, people, photo, name):
    case = make(name, people, tmp_path / "files")
    opened = open_estimates(case.paths, photo)
    assert len(opened.frames()) > 1
    with pytest.raises(InputError, match="--frame"):
        opened.read()
    with pytest.raises(InputError, match="no frame"):
        opened.read("77")
    for frame in opened.frames():
        assert len(opened.read(frame).people) == case.people


@pytest.mark.parametrize("name", ["bev", "hmr2 full", "nlf", "multihmr", "smplifyx", "buddi", "prompthmr"])
def test_files_of_one_image_have_no_frames(tmp_path, people, photo, name):
    assert not open_estimates(make(name, people, tmp_path / "files").paths, photo).frames()


def test_a_crop_camera_that_cannot_be_converted_is_refused(tmp_path, people, photo):
    fields = {n: v for n, v in hmr2(people, False).items() if n not in ("pred_cam", "box_center", "box_size")}
    for source in ("auto", "smpl"):
        with pytest.raises(InputError, match=r"crop.*pred_cam_t_full.*scaled_focal_length"):
            open_estimates([write_npz(tmp_path / "a.npz", fields)], photo, source).read()


def test_a_latent_pose_is_refused(tmp_path, people, photo):
    paths = smplifyx(people, tmp_path, latent=True)
    with pytest.raises(InputError, match="VPoser.*63"):
        open_estimates(paths, photo).read()


def test_the_worlds_frame_alone_is_refused(tmp_path, people, photo):
    fields = gvhmr(people)
    del fields["smpl_params_incam"]
    for source in ("auto", "smpl", "gvhmr"):
        with pytest.raises(InputError, match="world"):
            open_estimates([write_pickle(tmp_path / "g.pkl", fields)], photo, source, "1").read()


REFUSED = {
    "amass": ({"poses": np.zeros((9, 156)), "trans": np.zeros((9, 3)), "mocap_framerate": 120.0}, "frames"),
    "amass smplx": (
        {"poses": np.zeros((9, 165)), "trans": np.zeros((9, 3)), "mocap_frame_rate": 120.0, "betas": np.zeros(16)},
        "camera",
    ),
    "add-on": ({"poses": np.zeros((9, 165)), "trans": np.zeros((9, 3)), "fps": 30, "gender": "neutral"}, "animation"),
    "hsmr": ({"poses": np.zeros((2, 46)), "betas": np.zeros((2, 10)), "full_cam_t": np.ones((2, 3))}, "SKEL"),
    "slahmr": (
        {
            "trans": np.ones((2, 5, 3)),
            "root_orient": np.ones((2, 5, 3)),
            "pose_body": np.ones((2, 5, 63)),
            "cam_R": np.ones((2, 5, 3, 3)),
            "cam_t": np.ones((2, 5, 3)),
            "intrins": np.ones(4),
        },
        "world",
    ),
    "hsmr patch": ({"patch_cam_t": np.zeros((2, 3)), "poses": np.zeros((2, 46))}, "HSMR"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("source", ["auto", "smpl"])
def test_what_cannot_be_converted_is_named(tmp_path, photo, name, source):
    fields, word = REFUSED[name]
    with pytest.raises(InputError, match=word):
        open_estimates([write_npz(tmp_path / "a.npz", fields)], photo, source).read()


def test_weights_of_a_model_are_no_estimates(tmp_path, photo):
    path = write_pickle(tmp_path / "epoch_3.ckpt", {"state_dict": {"head.body_pose": np.zeros(3)}, "epoch": 3})
    with pytest.raises(InputError, match="a model's weights"):
        open_estimates([path], photo).read()


def test_images_of_a_file_are_chosen_by_the_photographs_name_or_the_frame(tmp_path, people, photo):
    case = make("cliff", people, tmp_path / "files")
    assert open_estimates(case.paths, None).frames() == ["in/other.png", "in/photo.png"]
    with pytest.raises(InputError, match="2 images .*--frame"):
        open_estimates(case.paths, write_image(tmp_path / "third.png")).read()
    assert len(open_estimates(case.paths, photo, frame="in/other.png").read().people) == 1


@pytest.mark.parametrize("part", [0.25, 0.5, 2.0])
def test_a_camera_of_a_resized_image_is_refused(tmp_path, people, photo, part):
    k = np.array([[FOCAL * part, 0, SIZE[0] / 2 * part], [0, FOCAL * part, SIZE[1] / 2 * part], [0, 0, 1]])
    fields = {"poses": np.zeros((2, 72)), "trans": np.tile([0, 0, 4.0], (2, 1)), "K": k}
    with pytest.raises(InputError, match=rf"of {SIZE[0] * part:.0f}×{SIZE[1] * part:.0f} pixels .*has 640×480"):
        open_estimates([write_npz(tmp_path / "a.npz", fields)], photo).read()


@pytest.mark.parametrize(("fields", "words"), [
    ({"pose_world": np.zeros((2, 72)), "trans_world": np.zeros((2, 3))}, "pose_world, trans_world are in the world's"),
    ({"pose": np.zeros((2, 144)), "trans": np.ones((2, 3))}, "6D rotations or quaternions"),
    ({"poses": np.zeros((2, 24, 4)), "trans": np.ones((2, 3))}, "6D rotations or quaternions"),
])  # fmt: skip
def test_the_remedy_is_in_the_message(tmp_path, photo, fields, words):
    with pytest.raises(InputError, match=words):
        open_estimates([write_npz(tmp_path / "a.npz", fields)], photo).read()


def test_two_files_of_a_tool_that_writes_one(tmp_path, people, photo):
    first, second = (make("buddi", people, tmp_path / n).paths[0] for n in ("a", "b"))
    with pytest.raises(InputError, match="expected one file of BUDDI"):
        open_estimates([first, second], photo)


def test_estimates_of_another_photograph_are_refused(tmp_path, people):
    for name, size in (("hmr2 full", (800, 480)), ("camerahmr", (480, 640)), ("bev", (1000, 700))):
        case = make(name, people, tmp_path / name)
        with pytest.raises(InputError, match="made on an image of"):
            read(case, write_image(tmp_path / "other.png", size))


def test_a_turned_photograph_is_as_large_as_it_is_shown(tmp_path, people):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (SIZE[1], SIZE[0])).save(tmp_path / "turned.jpg", exif=exif)
    for name in ("bev", "hmr2 full", "wham"):
        case = make(name, people, tmp_path / name)
        check(read(case, tmp_path / "turned.jpg"), case, people)


def test_an_assumed_focal_length_is_said(tmp_path, people, photo):
    for name in ("multihmr", "nlf", "wham", "smplerx", "smplifyx", "easymocap"):
        case = make(name, people, tmp_path / name)
        assert any("assumed" in note and "--focal" in note for note in read(case, photo).notes), name
        given = open_estimates(case.paths, photo, "auto", case.frame, 1234.0).read()
        np.testing.assert_array_equal(given.focal_length, [1234, 1234])
        assert not any("assumed" in note for note in given.notes)
    for name in ("hmr2 full", "camerahmr", "nlf with camera", "prompthmr", "buddi", "tram"):
        assert not read(make(name, people, tmp_path / name), photo).notes, name


def test_a_turned_camera_ofbuddi(tmp_path, people, photo):
    """People as BUDDI's world has them end where its camera sees them: D (Rᵀ X + t)."""
    fields = buddi(people)
    fields["cam"] |= {"pitch": np.full((1, 1), 20.0), "yaw": np.full((1, 1), -30.0), "tx": np.full((1, 1), 0.4)}
    x, y, z = (matrix(np.radians(a) * axis) for a, axis in zip((20, -30, 180), np.eye(3), strict=True))
    turn, shown = x @ y @ z, np.diag([-1.0, -1.0, 1.0])
    humans = fields["humans"]
    humans["global_orient"] = axis_angle(turn @ shown @ matrix(pose22(people)[:, 0]))
    root = (roots(people, FOCAL) @ shown - [0.4, 0, 0]) @ turn.T
    humans["transl"] = (root - REST_PELVIS["smplx"]).astype(np.float32)
    case = Case((write_pickle(tmp_path / "b.pkl", fields),), FOCAL, "BUDDI")
    check(read(case, photo), case, people)


def test_a_turned_camera_ofsmplifyx(tmp_path, people, photo):
    """SMPLify-X turns about the model's origin, then moves."""
    turn, places = matrix(np.array([0.1, -0.4, 0.2])), []
    for i, (orient, root) in enumerate(zip(pose22(people)[:, 0], roots(people, 5000.0), strict=True)):
        person = {
            "camera_rotation": turn[None],
            "camera_translation": (root - turn @ REST_PELVIS["smplx"])[None],
            "global_orient": axis_angle(turn.T @ matrix(orient))[None],
            "body_pose": pose22(people)[i : i + 1, 1:].reshape(1, 63),
        }
        places.append(write_pickle(tmp_path / f"{i}.pkl", person))
    case = Case(tuple(places), 5000.0, "SMPLify-X")
    check(read(case, photo), case, people)
