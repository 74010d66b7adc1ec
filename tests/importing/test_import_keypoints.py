"""`prosepose import` with the keypoints of other detectors than OpenPose: the right people, layout, image and hands."""

from __future__ import annotations

import json

import numpy as np
import pytest
from detector_files import (
    BODY_25,
    COCO_17,
    ORDERS,
    coco_results,
    easy_vitpose,
    hugging_face,
    mediapipe,
    mmpose,
    mmpose_video,
    openpose,
    rtmlib,
    yolo_text,
)
from foreign_files import SIZE, bev_results, make_people, write_bev, write_image

from prosepose_jax.apps.import_ import main
from prosepose_jax.importing.images import ImageInputs, import_image
from prosepose_jax.io import load_scene, load_scenes, save_scene


@pytest.fixture(scope="module")
def pair(small_body):
    return make_people(small_body, [(-0.6, 4.0), (-0.3, 4.2)], [0.0, 0.0])


@pytest.fixture
def files(tmp_path, pair):
    write_bev(tmp_path / "bev.npz", bev_results(pair))
    write_image(tmp_path / "photo.png")
    return tmp_path


def in_order(pair, order, people=(1, 0)):
    """(2, K, 3) the pair as a detector with these points sees it; points beyond BODY_25 lie near the wrists."""
    seen = pair.detections(list(people))
    rng = np.random.default_rng(0)
    columns = []
    for name in order:
        if name in BODY_25:
            columns.append(seen[:, BODY_25.index(name)])
        else:
            near = seen[:, BODY_25.index("left_wrist" if name.startswith("left") else "right_wrist")]
            columns.append(near + np.array([*rng.uniform(-9, 9, 2), -0.1]))
    return np.stack(columns, axis=1)


WRITERS = {
    "mmpose": (lambda p, pair: mmpose(p, in_order(pair, COCO_17)), {}, COCO_17),
    "video": (lambda p, pair: mmpose_video(p, in_order(pair, COCO_17)), {"frame": "0"}, COCO_17),
    "rtmlib": (lambda p, pair: rtmlib(p, in_order(pair, ORDERS["halpe26"])), {}, ORDERS["halpe26"]),
    "easy_vitpose": (lambda p, pair: easy_vitpose(p, in_order(pair, COCO_17), COCO_17), {}, COCO_17),
    "alphapose": (lambda p, pair: coco_results(p, in_order(pair, COCO_17), "photo.png", ["a.png"]), {}, COCO_17),
    "by its people": (
        lambda p, pair: coco_results(p, in_order(pair, COCO_17), 7, [8, 9]),
        {"image_id": "auto"},
        COCO_17,
    ),
    "by number": (lambda p, pair: coco_results(p, in_order(pair, COCO_17), 7, [8, 9]), {"image_id": "007"}, COCO_17),
    "yolo": (lambda p, pair: yolo_text(p, in_order(pair, COCO_17)), {}, COCO_17),
    "mediapipe": (lambda p, pair: mediapipe(p, in_order(pair, ORDERS["mediapipe33"])), {}, ORDERS["mediapipe33"]),
    "threshold": (lambda p, pair: hugging_face(p, in_order(pair, COCO_17), 0.3), {}, COCO_17),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_makes_the_scene(name, small_body, files, pair):
    write, more, order = WRITERS[name]
    path = write(files / "k.json", pair)
    inputs = ImageInputs("k", files / "bev.npz", (path,), image=files / "photo.png", **more)
    result = import_image(small_body, inputs)
    assert not result.failures and [s.scene.key for s in result.scenes] == ["k_0"]
    scene = result.scenes[0].scene
    expected = pair.detections([0, 1])  # the left person first, whatever the detector's order
    given = [k for k, part in enumerate(BODY_25) if part in order]
    np.testing.assert_allclose(scene.keypoints[:, given, :2], expected[:, given, :2], atol=0.5)
    assert (scene.keypoints[:, [1, 8], 2] > 0).all()
    assert (scene.agreement < 0.08).all() and scene.keypoints_hands is None
    if name == "by its people":
        assert any("image 7 is taken" in note for note in result.notes)


def test_hands_stay_with_their_person(small_body, files, pair, tmp_path):
    order = ORDERS["wholebody133"]
    people = in_order(pair, order)
    first = mmpose(files / "a.json", in_order(pair, COCO_17, (0, 1)))
    second = rtmlib(files / "b.npz", people[:1])  # whole-body points of person 1 alone
    inputs = ImageInputs("k", files / "bev.npz", (first, second))
    scene = import_image(small_body, inputs).scenes[0].scene
    assert scene.keypoints_hands.shape == (2, 2, 21, 3) and not scene.keypoints_hands[0].any()
    left = order.index("left_hand_root")
    np.testing.assert_allclose(scene.keypoints_hands[1].reshape(42, 3), people[0, left : left + 42], atol=1e-3)
    again = load_scene(save_scene(tmp_path / "scenes", scene))
    np.testing.assert_array_equal(again.keypoints_hands, scene.keypoints_hands)


def run(small_body_file, capsys, files, *arguments: str) -> tuple[int, str]:
    fixed = (f"--body={small_body_file}", f"--estimates={files / 'bev.npz'}", f"--out={files / 'scenes'}", "--name=k")
    status = main(["prosepose import", *fixed, *arguments])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, captured.out + captured.err


def test_flags(small_body_file, capsys, files, pair):
    body25b = openpose(files / "photo_keypoints.json", in_order(pair, ORDERS["body25b"]))
    results = coco_results(files / "results.json", in_order(pair, COCO_17), 7, [8, 9])
    expected = pair.detections([0, 1])
    status, text = run(small_body_file, capsys, files, f"--keypoints={body25b}")
    assert status == 2 and "photo_keypoints.json" in text and "--keypoint_layout" in text
    status, text = run(small_body_file, capsys, files, f"--keypoints={body25b}", "--keypoint_layout=BODY_25B")
    assert status == 0, text
    status, text = run(small_body_file, capsys, files, f"--keypoints={results}")
    assert status == 2 and "--image_id" in text
    both = (f"--keypoints={results},{body25b}", "--keypoint_layout=auto,body25b", "--image_id=7")
    status, text = run(small_body_file, capsys, files, *both)
    assert status == 0, text
    found = load_scene(files / "scenes" / "k_0.npz").keypoints
    np.testing.assert_allclose(found[:, [0, 4, 11, 19], :2], expected[:, [0, 4, 11, 19], :2], atol=0.5)


def test_a_folder_of_keypoints(small_body_file, capsys, files, pair):
    folder = files / "predictions"
    folder.mkdir()
    mmpose(folder / "photo.json", in_order(pair, COCO_17))
    mmpose(folder / "photo2.json", in_order(pair, COCO_17) + 300)
    status, text = run(small_body_file, capsys, files, f"--keypoints={folder}", f"--image={files / 'photo.png'}")
    assert status == 0, text
    assert len(load_scenes(files / "scenes")) == 1


def test_one_keypoint_file_for_all_images_of_a_folder(small_body_file, capsys, tmp_path, pair):
    results = []
    for name, order in (("one", (0, 1)), ("two", (1, 0))):
        (tmp_path / "in" / name).mkdir(parents=True)
        write_bev(tmp_path / "in" / name / "bev.npz", bev_results(pair))
        write_image(tmp_path / "in" / name / f"{name}.png")
        path = coco_results(tmp_path / "one.json", in_order(pair, COCO_17, order), f"{name}.png", [])
        results += json.loads(path.read_text())
    path.write_text(json.dumps(results))
    fixed = ("prosepose import", f"--body={small_body_file}", f"--folder={tmp_path / 'in'}", f"--keypoints={path}")
    assert main([*fixed, f"--out={tmp_path / 'out'}"]) == 0
    assert [s.key for s in load_scenes(tmp_path / "out")] == ["one_0", "two_0"]
    capsys.readouterr()
    assert main([*fixed, f"--out={tmp_path / 'out'}", "--image_id=one.png"]) == 2
    assert "--image_id is for one image" in capsys.readouterr().err


def test_fractions_are_told_of(small_body_file, capsys, files, pair):
    people = in_order(pair, BODY_25) / np.array([*SIZE, 1])
    path = openpose(files / "k.json", people)
    status, text = run(small_body_file, capsys, files, f"--keypoints={path}")
    assert status == 0 and f"multiplied by the image's size {SIZE[0]} x {SIZE[1]}" in text


@pytest.mark.parametrize("content", ['{"people": []}', "[" * 100_000, json.dumps([{"keypoints": [1e400]}]), ""])
def test_unusable_keypoints_are_named(content, small_body_file, capsys, files):
    (files / "odd.json").write_text(content)
    status, text = run(small_body_file, capsys, files, f"--keypoints={files / 'odd.json'}")
    assert status == 2 and "odd.json" in text
