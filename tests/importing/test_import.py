"""From files of other tools to scenes, whole: matching, placing, order, names, exit status."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from foreign_files import (
    FOCAL,
    bev_results,
    box_of,
    joints_of,
    make_people,
    pose22,
    project,
    sign,
    write_annotations,
    write_bev,
    write_image,
    write_openpose,
)

from prosepose_jax.apps.import_ import main
from prosepose_jax.body import axis_angle_to_matrix
from prosepose_jax.errors import InputError
from prosepose_jax.importing.images import ImageInputs, import_image
from prosepose_jax.importing.retarget import retarget
from prosepose_jax.importing.sources.bev import read_bev
from prosepose_jax.io import load_scene, load_scenes


@pytest.fixture(scope="module")
def trio(small_body):
    """A pair of an adult and a child side by side, from left to right, and an adult alone on the right."""
    return make_people(small_body, [(-0.6, 4.0), (-0.35, 4.2), (1.5, 4.6)], [0.0, 0.5, 0.0])


@pytest.fixture
def files(tmp_path, trio):
    write_bev(tmp_path / "bev.npz", bev_results(trio))
    write_openpose(tmp_path / "vitpose.json", trio.detections([2, 0, 1], shift_px=3.0))
    write_image(tmp_path / "photo.png")
    return tmp_path


def inputs(folder, **changes):
    values = {"name": "k", "estimates": folder / "bev.npz", "keypoints": (folder / "vitpose.json",)}
    return ImageInputs(**(values | changes))


def test_retargeting_finds_the_people_again(small_body, tmp_path, trio):
    estimates = read_bev(write_bev(tmp_path / "bev.npz", bev_results(trio)))
    to_matrix = jax.jit(axis_angle_to_matrix)
    for i, person in enumerate(estimates.people):
        found = retarget(small_body, person, estimates.focal_length, estimates.principal_point)
        assert found.reprojection_px / found.size_px < 0.004
        assert abs(found.kid_scale - float(trio.params.kid_scale[i])) < 0.1
        assert np.abs(found.betas).max() < 3  # BEV's own shape numbers (all 3) are not taken over
        start, end = (np.asarray(to_matrix(p)) for p in (pose22(trio)[i, 1:], found.body_pose))
        angle = np.arccos(np.clip((np.trace(np.swapaxes(start, 1, 2) @ end, axis1=1, axis2=2) - 1) / 2, -1, 1))
        assert np.degrees(angle).max() < 12
    heights = [retarget(small_body, p, estimates.focal_length, estimates.principal_point).height_m
               for p in estimates.people]  # fmt: skip
    assert heights[1] < 0.85 * min(heights[0], heights[2])  # the child


def test_child_is_found_without_a_hint(small_body, tmp_path, trio):
    results = bev_results(trio)
    results["smpl_betas"] = results["smpl_betas"][:, :10]
    estimates = read_bev(write_bev(tmp_path / "bev.npz", results))
    kids = [retarget(small_body, p, estimates.focal_length, estimates.principal_point).kid_scale
            for p in estimates.people]  # fmt: skip
    assert kids[1] > 0.3 and max(kids[0], kids[2]) < 0.2


def test_overlapping_pair_left_person_first(small_body, files, trio):
    result = import_image(small_body, inputs(files, image=files / "photo.png"))
    assert not result.failures and [s.scene.key for s in result.scenes] == ["k_0"]
    scene = result.scenes[0].scene
    np.testing.assert_allclose(scene.keypoints, trio.detections([0, 1], shift_px=3.0), atol=1e-3)
    joints = joints_of(small_body, scene)
    limbs = [4, 5, 7, 8, 16, 17, 18, 19, 20, 21]
    np.testing.assert_allclose(joints[:, limbs], trio.joints[:2][:, limbs], atol=0.03)
    assert np.linalg.norm(project(joints[:, :22]) - project(trio.joints[:2, :22]), axis=-1).mean() < 1.5
    assert (joints[1, 0, 2] - joints[0, 0, 2]) == pytest.approx(trio.joints[1, 0, 2] - trio.joints[0, 0, 2], abs=0.02)
    np.testing.assert_allclose(scene.focal_length, FOCAL, rtol=1e-5)
    assert scene.image == files / "photo.png" and scene.gt_region_pairs is None


def test_annotated_pairs_in_the_annotations_order(small_body, files, trio):
    boxes = [box_of(trio, i) for i in (2, 1, 0)]
    signs = [sign([1, 2], [[51, 33], [7, 2]]), sign([0, 1], [[3, 4]])]
    annotations = write_annotations(files / "contact.json", "k", boxes, signs)
    result = import_image(small_body, inputs(files, annotations=annotations))
    first, second = (s.scene for s in result.scenes)
    assert (first.key, second.key) == ("k_0", "k_1")
    np.testing.assert_allclose(first.keypoints, trio.detections([1, 0], shift_px=3.0), atol=1e-3)
    np.testing.assert_array_equal(first.gt_region_pairs, [[51, 33], [7, 2]])
    assert first.kid_scale[0] > 0.3 > 0.15 > first.kid_scale[1]  # person 0 is the child, as annotated
    np.testing.assert_allclose(second.keypoints, trio.detections([2, 1], shift_px=3.0), atol=1e-3)


def test_annotated_pair_without_a_person_fails_alone(small_body, files, trio):
    write_openpose(files / "vitpose.json", trio.detections([0, 1]))  # nobody saw the third
    annotations = write_annotations(
        files / "contact.json", "k", [box_of(trio, i) for i in range(3)], [sign([0, 2], []), sign([0, 1], [])]
    )
    result = import_image(small_body, inputs(files, annotations=annotations))
    assert list(result.failures) == ["k_0"] and "annotated box" in result.failures["k_0"]
    assert [s.scene.key for s in result.scenes] == ["k_1"]
    assert any("no keypoints" in note for note in result.notes)


def test_one_scene_a_person(small_body, files, trio):
    result = import_image(small_body, inputs(files), people=1)
    assert [s.scene.key for s in result.scenes] == ["k_0", "k_1", "k_2"]
    for i, imported in enumerate(result.scenes):
        np.testing.assert_allclose(imported.scene.keypoints[0], trio.detections([i], shift_px=3.0)[0], atol=1e-3)


def test_second_detector_fills_in_a_missing_person(small_body, files, trio):
    write_openpose(files / "vitpose.json", trio.detections([0], shift_px=3.0))
    write_openpose(files / "openpose.json", trio.detections([1, 0], confidence=0.5))
    keypoints = (files / "vitpose.json", files / "openpose.json")
    scene = import_image(small_body, inputs(files, keypoints=keypoints)).scenes[0].scene
    assert scene.keypoints[0, 0, 2] == np.float32(0.9) and scene.keypoints[1, 0, 2] == np.float32(0.5)


def test_nobody_overlaps(small_body, files, trio):
    write_openpose(files / "vitpose.json", trio.detections([0, 2]))
    with pytest.raises(InputError, match=r"overlap.*--people=1"):
        import_image(small_body, inputs(files))


def test_nothing_matches(small_body, files, trio):
    write_openpose(files / "vitpose.json", trio.detections([0], shift_px=5000.0))
    with pytest.raises(InputError, match="none of the 3 estimated people"):
        import_image(small_body, inputs(files))
    with pytest.raises(InputError, match="keypoint file"):
        import_image(small_body, inputs(files, keypoints=()))


def run(small_body_file, capsys, *arguments: str) -> tuple[int, str, str]:
    status = main(["prosepose import", f"--body={small_body_file}", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_command_for_one_image(small_body_file, capsys, files):
    out = files / "scenes"
    status, text, _ = run(
        small_body_file,
        capsys,
        "--source=bev",
        f"--estimates={files / 'bev.npz'}",
        f"--keypoints={files / 'vitpose.json'}",
        f"--image={files / 'photo.png'}",
        f"--out={out}",
    )
    assert status == 0 and "photo_0" in text and "kid scale" in text
    # Below the scenes' folder, where alone other commands take pictures from.
    image = load_scene(out / "photo_0.npz").image
    assert image == out / "images" / "photo.png" and image.read_bytes() == (files / "photo.png").read_bytes()
    status, _, _ = run(
        small_body_file,
        capsys,
        f"--estimates={files / 'bev.npz'}",
        f"--keypoints={files / 'vitpose.json'}",
        "--name=me",
        "--people=1",
        f"--out={out}",
    )
    assert status == 0  # a second run in one process starts from the flags' defaults
    assert [s.key for s in load_scenes(out)] == ["me_0", "me_1", "me_2", "photo_0"]
    assert load_scene(out / "me_0.npz").image is None


def test_folder_with_a_bad_image(small_body_file, capsys, tmp_path, trio):
    for name in ("one", "two"):
        folder = tmp_path / "in" / name
        folder.mkdir(parents=True)
        write_bev(folder / "bev.npz", bev_results(trio))
        write_openpose(folder / "vitpose.json", trio.detections([0, 1, 2]))
        write_image(folder / "image.jpg")
    (tmp_path / "in" / "one" / "bev.npz").write_bytes(b"PK broken")
    (tmp_path / "in" / "three").mkdir()
    write_image(tmp_path / "in" / "three" / "image.jpg")
    (tmp_path / "in" / "unrelated").mkdir()
    status, _, err = run(small_body_file, capsys, f"--folder={tmp_path / 'in'}", f"--out={tmp_path / 'out'}")
    assert status == 1 and "Traceback" not in err
    assert "FAILED one:" in err and "FAILED three:" in err and "unrelated" not in err
    assert [s.key for s in load_scenes(tmp_path / "out")] == ["two_0"]


def test_folder_by_kind(small_body_file, capsys, tmp_path, trio):
    for kind in ("bev", "vitpose", "images"):
        (tmp_path / "in" / kind).mkdir(parents=True)
    write_bev(tmp_path / "in" / "bev" / "img_7_0.08.npz", bev_results(trio))
    write_openpose(tmp_path / "in" / "vitpose" / "img_7_keypoints.json", trio.detections([0, 1]))
    write_image(tmp_path / "in" / "images" / "img_7.png")
    boxes = [box_of(trio, 1), box_of(trio, 0)]
    write_annotations(tmp_path / "in" / "contact.json", "img_7", boxes, [sign([0, 1], [[1, 2]])])
    status, _, err = run(small_body_file, capsys, f"--folder={tmp_path / 'in'}", f"--out={tmp_path / 'out'}")
    assert status == 0, err
    scene = load_scene(tmp_path / "out" / "img_7_0.npz")
    np.testing.assert_array_equal(scene.gt_region_pairs, [[1, 2]])
    assert scene.kid_scale[0] > 0.3 and scene.image == tmp_path / "out" / "images" / "img_7.png"


def test_bad_usage(small_body_file, capsys, tmp_path, files):
    estimates = f"--estimates={files / 'bev.npz'}"
    cases = {
        "--out is missing": [estimates],
        "--estimates is missing": [f"--out={tmp_path}"],
        "no such file": ["--estimates=nothing.npz", f"--out={tmp_path}"],
        "Did you mean": ["--estimate=x", f"--out={tmp_path}"],
        "unexpected argument": ["bev.npz", f"--out={tmp_path}"],
        "no 2D keypoints": [estimates, f"--out={tmp_path / 'o'}"],
        "nothing to import": [f"--folder={small_body_file.parent.parent / 'io'}", f"--out={tmp_path}"],
        "for one image": [estimates, f"--folder={tmp_path}", f"--out={tmp_path}"],
        "source": ["--source=hmr", estimates, f"--out={tmp_path}"],
        "plain file name": [estimates, "--name=a/b", f"--out={tmp_path}"],
    }
    for words, arguments in cases.items():
        status, _, err = run(small_body_file, capsys, *arguments)
        assert status == 2 and words in err and "Traceback" not in err, (words, err)
    assert main(["prosepose import", "--help"]) == 0
    assert "--keypoints" in capsys.readouterr().out
