"""Keypoint files of every detector: the right points of the right image, or an error that names the field."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detector_files import (
    BODY_25,
    COCO_17,
    FILES,
    ORDERS,
    PEOPLE,
    SIZE,
    alphapose_open,
    bare_array,
    coco_annotations,
    coco_results,
    easy_vitpose,
    expected_body25,
    expected_hands,
    hugging_face,
    instances,
    mediapipe,
    mmpose,
    mmpose_video,
    openpose,
    points,
    rtmlib,
    yolo_json,
    yolo_text,
)

from prosepose_jax.errors import InputError
from prosepose_jax.importing.keypoints import LAYOUTS, read_keypoints, read_merged
from prosepose_jax.importing.keypoints.layouts import layout_by_names, named_layout

TOLERANCE_PX = 0.5


def read(path: Path, **more):
    return read_keypoints(path, **({"names": ("photo.jpg",), "image_size": SIZE} | more))


def check(found: np.ndarray, expected: np.ndarray, confidence: bool = True) -> None:
    assert found.shape == expected.shape and found.dtype == np.float32
    np.testing.assert_array_equal(found[..., 2] > 0, expected[..., 2] > 0)
    assert np.abs(found[..., :2] - expected[..., :2]).max() <= TOLERANCE_PX
    if confidence:
        np.testing.assert_allclose(found[..., 2], np.minimum(expected[..., 2], 1), atol=1e-5)


@pytest.mark.parametrize("name", FILES)
def test_every_detector(name, tmp_path):
    file, write, layout, more = FILES[name]
    found = read(write(tmp_path / file, points(ORDERS[layout])), **more)
    check(found.keypoints, expected_body25(ORDERS[layout]))
    assert found.layout == layout
    if LAYOUTS[layout].hands is None:
        assert found.hands is None
    else:
        check(found.hands, expected_hands())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_in_the_order_of_its_names(layout, tmp_path):
    assert LAYOUTS[layout].count == len(ORDERS[layout])
    path = rtmlib(tmp_path / "any.npz", points(ORDERS[layout]))
    found = read(path, layout=layout)
    check(found.keypoints, expected_body25(ORDERS[layout]))
    # Also under another name, and told by the points' own names alone.
    assert named_layout(layout.upper()[:4] + "-" + layout[4:]) is LAYOUTS[layout]
    told = layout_by_names(["thorax" if n == "neck" else n for n in ORDERS[layout]])
    np.testing.assert_array_equal(told.body25(points(ORDERS[layout])), expected_body25(ORDERS[layout]))


@pytest.mark.parametrize("part", ["neck", "mid_hip"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_made_points_need_both_of_theirs(part, side, tmp_path):
    other = {"neck": "shoulder", "mid_hip": "hip"}[part]
    missing = [f"{side}_{other}"]
    found = read(mmpose(tmp_path / "k.json", points(COCO_17, missing))).keypoints
    check(found, expected_body25(COCO_17, missing))
    assert not found[:, BODY_25.index(part)].any()


def test_body25_is_left_as_it_is(tmp_path):
    # ViTPose's exports in OpenPose's layout have no neck and no mid hip.
    missing = ["neck", "mid_hip"]
    path = openpose(tmp_path / "k.json", points(BODY_25, missing))
    check(read(path).keypoints, expected_body25(BODY_25, missing))


def test_hands_of_openpose(tmp_path):
    hands = expected_hands()
    hands[1, 0] = 0.0  # not found
    found = read(openpose(tmp_path / "k.json", points(BODY_25), hands))
    check(found.hands, hands)
    assert read(openpose(tmp_path / "k.json", points(BODY_25), np.zeros_like(hands))).hands is None


@pytest.mark.parametrize("form", ["open", "cmu"])
@pytest.mark.parametrize("image", ["photo.jpg", None])
def test_alphapose_in_openpose_form(form, image, tmp_path):
    found = read(alphapose_open(tmp_path / "photo.json", points(ORDERS["coco18"]), form, image))
    lacks_neck = [name for name in ORDERS["coco18"] if name != "neck"]
    check(found.keypoints, expected_body25(lacks_neck))
    assert any("neck" in note for note in found.notes)


@pytest.mark.parametrize("names", [None, COCO_17])
def test_coco_annotations(names, tmp_path):
    path = coco_annotations(tmp_path / "a.json", points(COCO_17, ["left_ankle"]), names)
    expected = expected_body25(COCO_17, ["left_ankle"])
    for more in ({}, {"image_id": "8"}, {"image_id": "photo.jpg", "names": ()}, {"image_id": "train/photo.jpg"}):
        found = read(path, **more).keypoints
        check(found[:2], expected, confidence=False)
        assert set(np.unique(found[..., 2])) <= {0.0, 0.5, 1.0}
    assert read(path, image_id="other.jpg").keypoints.shape == (0, 25, 3)


@pytest.mark.parametrize("threshold", [0.5, 0.7, 2.0])
def test_sparse_points_of_hugging_face(threshold, tmp_path):
    people = points(COCO_17)
    found = read(hugging_face(tmp_path / "k.json", people, threshold)).keypoints
    people[people[..., 2] < threshold] = 0.0
    np.testing.assert_allclose(found, LAYOUTS["coco17"].body25(people), atol=1e-4)


def test_sparse_points_of_a_whole_body_model(tmp_path):
    people = points(ORDERS["wholebody133"])
    people[0, 17:, 2] = 0.1  # of one person the body alone is sure
    found = read(hugging_face(tmp_path / "k.json", people, 0.2))
    assert found.layout == "wholebody133" and found.keypoints.shape == (2, 25, 3)
    check(found.keypoints[1:], expected_body25(ORDERS["wholebody133"])[1:])


@pytest.mark.parametrize("legacy", [False, True])
def test_mediapipe(legacy, tmp_path):
    path = mediapipe(tmp_path / "k.json", points(ORDERS["mediapipe33"]), legacy)
    expected = expected_body25(ORDERS["mediapipe33"])
    check(read(path).keypoints, expected[:1] if legacy else expected)
    with pytest.raises(InputError, match="--image"):
        read(path, image_size=None)


def test_mediapipe_of_nobody_and_of_the_world(tmp_path):
    (tmp_path / "k.json").write_text('{"pose_landmarks": [], "pose_world_landmarks": []}')
    found = read(tmp_path / "k.json")
    assert found.keypoints.shape == (0, 25, 3) and any("nobody" in note for note in found.notes)
    (tmp_path / "k.json").write_text('{"pose_world_landmarks": [[{"x": 0, "y": 0, "z": 0}]]}')
    with pytest.raises(InputError, match="world landmarks"):
        read(tmp_path / "k.json")


def test_repeated_runs_of_yolo_are_one(tmp_path):
    path = yolo_text(tmp_path / "photo.txt", points(COCO_17), runs=3)
    found = read(path)
    assert len(found.keypoints) == 2 and any("twice" in note for note in found.notes)


def test_people_without_boxes_of_other_things(tmp_path):
    assert len(read(yolo_json(tmp_path / "k.json", points(COCO_17))).keypoints) == 2


@pytest.mark.parametrize(
    "empty",
    [
        '{"people": []}',
        "[]",
        "[[]]",
        '{"instance_info": []}',
        '{"keypoints": [{}]}',
        '{"keypoints": [], "scores": []}',
        '{"images": [], "annotations": []}',
        '{"images": [{"id": 1, "file_name": "photo.jpg"}], "annotations": []}',
    ],
)
def test_nobody_found(empty, tmp_path):
    (tmp_path / "k.json").write_text(empty)
    found = read(tmp_path / "k.json")
    assert found.keypoints.shape == (0, 25, 3) and found.hands is None
    with pytest.raises(InputError, match=r"k\.json: nobody"):
        read_merged([tmp_path / "k.json"])


def test_containers_are_told_by_content(tmp_path):
    text = json.dumps(instances(points(COCO_17)))
    arrays = [{"keypoints": p[:, :2], "keypoint_scores": p[:, 2]} for p in points(COCO_17)]
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "c.pkl").write_bytes(pickle.dumps(arrays))
    (tmp_path / "d.dat").write_bytes(yolo_text(tmp_path / "y.txt", points(COCO_17)).read_bytes())
    for path in sorted(tmp_path.iterdir()):
        check(read(path).keypoints, expected_body25(COCO_17))


# Confidences


def test_confidences(tmp_path):
    people = points(COCO_17)
    people[0, 0, 2], people[0, 3, 2], people[0, 4] = 1.3, -0.01, [np.nan, np.nan, 0]
    found = read(rtmlib(tmp_path / "k.npz", people)).keypoints[0]
    assert found[BODY_25.index("nose"), 2] == 1.0
    assert not found[[BODY_25.index("left_ear"), BODY_25.index("right_ear")]].any()
    people[0, 0, 2] = 40.0
    with pytest.raises(InputError, match=r"\[0, 1\], found 40"):
        read(rtmlib(tmp_path / "k.npz", people))


def test_a_point_at_the_corner_is_missing(tmp_path):
    people = points(COCO_17)
    people[0, 0] = [0, 0, 0.7]  # YOLO zeroes the places of unsure points
    assert not read(yolo_json(tmp_path / "k.json", people)).keypoints[0, 0].any()


# Normalised positions


def test_positions_in_0_1_become_pixels(tmp_path):
    scale = np.array([1 / SIZE[0], 1 / SIZE[1], 1])
    path = openpose(tmp_path / "k.json", points(BODY_25) * scale, expected_hands() * scale)
    found = read(path)
    check(found.keypoints, expected_body25(BODY_25))
    check(found.hands, expected_hands())
    assert any("multiplied" in note and "640 x 480" in note for note in found.notes)
    with pytest.raises(InputError, match="between 0 and 1; pixels are expected"):
        read(path, image_size=None)


def test_positions_in_minus_1_1_are_refused(tmp_path):
    scale = np.array([2 / SIZE[0], 2 / SIZE[1], 1])
    path = openpose(tmp_path / "k.json", points(BODY_25) * scale - np.array([1, 1, 0]))
    with pytest.raises(InputError, match="between -1 and 1"):
        read(path)


def test_pixels_where_fractions_belong_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"\[0, 1\] of the image"):
        read(mediapipe(tmp_path / "k.json", points(ORDERS["mediapipe33"]) * np.array([640, 480, 1])))


# Layouts


@pytest.mark.parametrize("written, taken", [("body25b", "body25"), ("coco25", "body25"), ("h36m17", "coco17")])
def test_another_order_of_as_many_points_is_refused(written, taken, tmp_path):
    write = openpose if taken == "body25" else mmpose
    path = write(tmp_path / "k.json", points(ORDERS[written]))
    with pytest.raises(InputError, match=f"order {taken}, but in {written}.*--keypoint_layout"):
        read(path)
    check(read(path, layout=written).keypoints, expected_body25(ORDERS[written]))
    with pytest.raises(InputError, match="18 points, found"):
        read(path, layout="coco18")
    with pytest.raises(InputError, match="expected one of: body25, "):
        read(path, layout="coco19")


def test_numbers_of_points_that_do_not_tell(tmp_path):
    with pytest.raises(InputError, match="14 points may be aic14 or crowdpose14; say which with --keypoint_layout"):
        read(mmpose(tmp_path / "k.json", points(ORDERS["aic14"])))
    with pytest.raises(InputError, match="25 points may be"):
        read(mmpose(tmp_path / "k.json", points(ORDERS["coco25"])))
    with pytest.raises(InputError, match="no known layout has 12 points"):
        read(mmpose(tmp_path / "k.json", points(COCO_17[:12])))
    with pytest.raises(InputError, match="different numbers of points"):
        (tmp_path / "k.json").write_text(
            json.dumps(instances(points(COCO_17))[:1] + instances(points(ORDERS["halpe26"])))
        )
        read(tmp_path / "k.json")


@pytest.mark.parametrize(
    "spelling",
    [
        lambda side, part: f"{side}_{part}",
        lambda side, part: f"{side[0].upper()}{part.title().replace('_', '')}",
        lambda side, part: f"{side[0].upper()}_{part.title().replace('_', '')}",
        lambda side, part: f"{side}-{part.replace('_', '-')}",
        lambda side, part: f"{part.upper()}_{side.upper()}",
        lambda side, part: f"{side}{part.title().replace('_', '')}",
    ],
)
def test_names_however_they_are_spelled(spelling):
    def spelled(name: str) -> str:
        side, _, part = name.partition("_")
        return spelling(side, part) if side in ("left", "right") else name

    shuffled = np.random.default_rng(0).permutation(ORDERS["halpe26"]).tolist()
    found = layout_by_names([spelled(name) for name in shuffled])
    np.testing.assert_array_equal(found.body25(points(shuffled)), expected_body25(shuffled))
    assert layout_by_names(["a", "b", *map(spelled, COCO_17[:9])]) is None


# Forms in which users save what a detector returned


def _forms(people: np.ndarray) -> dict[str, Any]:
    """What is dumped as JSON, or pickled where arrays are in it."""
    x, y, sure = people[..., 0], people[..., 1], people[..., 2]
    pairs = people[..., :2]
    nulls = json.loads(json.dumps(instances(people)))
    return {
        "rtmlib's pair, listed": [pairs.tolist(), sure.tolist()],
        "rtmlib's pair": (pairs.astype(np.float32), sure.astype(np.float32)),
        "scores of people": {"keypoints": people.tolist(), "scores": [0.9] * len(people)},
        "Ultralytics' tensors": {"xy": pairs, "conf": sure},
        "Ultralytics' data": {"data": people},
        "by picture": {"photo.jpg": instances(people), "other.png": instances(people + 9)},
        "arrays by picture": {"other.jpg": people + 9, "photo.jpg": people},
        "the only picture": {"photo.jpg": instances(people)},
        "OpenPose in rows": {"people": [{"pose_keypoints_2d": one.tolist()} for one in points(BODY_25)]},
        "x, y apart": [{"keypoints": {"x": a.tolist(), "y": b.tolist()}} for a, b in zip(x, y, strict=True)],
        "nothing null": nulls,
    }


@pytest.mark.parametrize("form", list(_forms(points(COCO_17))))
def test_forms_of_users(form, tmp_path):
    value = _forms(points(COCO_17))[form]
    path = tmp_path / "photo.json"
    try:
        path.write_text(json.dumps(value))
    except TypeError:
        path.write_bytes(pickle.dumps(value))
    order = BODY_25 if form == "OpenPose in rows" else COCO_17
    check(read(path).keypoints, expected_body25(order), confidence=form != "x, y apart")


def test_a_json_value_a_line(tmp_path):
    path = tmp_path / "all.jsonl"
    entries = json.loads(coco_results(path, points(COCO_17), "photo.jpg", ["other.jpg"]).read_text())
    path.write_text("\n".join(map(json.dumps, entries)) + "\n")
    check(read(path).keypoints, expected_body25(COCO_17))
    path.write_text("\n".join([*map(json.dumps, entries), "{broken"]))
    with pytest.raises(InputError, match="not JSON"):
        read(path)


@pytest.mark.parametrize("hole", [None, [None, None], [float("nan"), 3.0]])
def test_points_of_null_or_nan_are_missing_and_said(hole, tmp_path):
    entries = instances(points(COCO_17))
    entries[0]["keypoints"][9] = hole
    path = tmp_path / "k.json"
    path.write_text(json.dumps(entries))
    found = read(path)
    wanted = expected_body25(COCO_17)
    wanted[0, BODY_25.index("left_wrist")] = 0.0
    check(found.keypoints, wanted)
    assert any("1 points are NaN or null" in note for note in found.notes)


def test_landmarks_as_rows_of_four(tmp_path):
    people = points(ORDERS["mediapipe33"])
    rows = np.concatenate([people[..., :2], np.full((*people.shape[:2], 1), -0.3), people[..., 2:]], axis=-1)
    np.save(tmp_path / "k.npy", rows)
    check(read(tmp_path / "k.npy").keypoints, expected_body25(ORDERS["mediapipe33"]))


@pytest.mark.parametrize("scale", [0.5, 2.0, 1.0])
def test_positions_on_a_canvas_are_brought_to_the_image(scale, tmp_path):
    """DWPose and the nodes of image generators draw on canvases of sizes of their own."""
    people = points(ORDERS["coco18"]) * np.array([scale, scale, 1])
    canvas = {"canvas_width": SIZE[0] * scale, "canvas_height": SIZE[1] * scale}
    found = read(openpose(tmp_path / "k.json", people, **canvas))
    check(found.keypoints, expected_body25(ORDERS["coco18"]))
    assert any("brought to the image's size" in note for note in found.notes) == (scale != 1)
    other = {"canvas_width": 512, "canvas_height": 512}  # of another shape: how it was fitted in is unknown
    check(read(openpose(tmp_path / "k.json", points(BODY_25), **other)).keypoints, expected_body25(BODY_25))


@pytest.mark.parametrize(("content", "words"), [
    (b"\xff\xfe[\0", "UTF-16"), (b"  <!doctype HTML><html>", "web page"), (b"<?xml version='1.0'?>", "XML; write JSON"),
    (b"scorer,a,a\nbodyparts,nose,nose\n", "neither JSON nor rows"), (b"%YAML:1.0\n", "write JSON"),
])  # fmt: skip
def test_other_files_are_named_for_what_they_are(content, words, tmp_path):
    path = tmp_path / "k.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read(path)


# Which image


def test_the_image_is_found_by_its_name(tmp_path):
    expected = expected_body25(COCO_17)
    for image, others, names in (
        ("photo.jpg", ["other.jpg"], ("photo.jpg",)),
        ("train/photo.jpg", ["train/photo2.jpg"], ("photo.jpg",)),
        ("photo.png", ["photo2.png"], ("photo.jpg",)),  # converted, but for that the same
        ("photo.jpg", ["photo.png"], ("photo.jpg",)),
        (785, [139, 7850], ("000000000785.jpg",)),
        ("000785", ["000139"], ("785",)),
        ("clip_0.25.jpg", ["clip_0.5.jpg", "clip_1.0.jpg"], ("clip_0.25.jpg",)),
        ("scene.jpg", ["other.jpg"], ("unheard.jpg", "scene")),
        (12, [11, 13], ("clip_7.jpg",)),  # by the frame
    ):
        path = coco_results(tmp_path / "r.json", points(COCO_17), image, others)
        check(read(path, names=names, frame="12").keypoints, expected)


def test_images_that_are_not_told(tmp_path):
    path = coco_results(tmp_path / "r.json", points(COCO_17), 785, [139, 140])
    for more, words in (
        ({}, "3 images and none is called photo.jpg; .*--image_id"),
        ({"image_id": "5"}, "--image_id=5 names no image"),
        ({"names": ()}, "3 images; say which"),
    ):
        with pytest.raises(InputError, match=words):
            read(path, **more)
    path = coco_results(tmp_path / "r.json", points(COCO_17), "a/photo.jpg", ["b/photo.jpg"])
    with pytest.raises(InputError, match="2 images"):  # both could be meant
        read(path)


def test_somebody_elses_image_is_refused(tmp_path):
    path = coco_results(tmp_path / "r.json", points(COCO_17), "other.jpg", [])
    with pytest.raises(InputError, match=r"is about other.jpg, not photo.jpg; --image_id=other.jpg"):
        read(path)
    check(read(path, image_id="other.jpg").keypoints, expected_body25(COCO_17))
    found = read(coco_results(tmp_path / "s.json", points(COCO_17), 785, []))
    assert any("785" in note for note in found.notes)  # a number says nothing


def test_the_image_is_found_by_its_people(tmp_path):
    own = expected_body25(BODY_25)
    own[..., :2] += np.random.default_rng(0).normal(0, 4, (2, 25, 2))
    path = coco_results(tmp_path / "r.json", points(COCO_17), 785, [139, 3])
    found = read(path, image_id="auto", people_px=own)
    check(found.keypoints, expected_body25(COCO_17))
    assert any("785" in note and "by its people" in note for note in found.notes)
    with pytest.raises(InputError, match="no image has people where"):
        read(path, image_id="auto", people_px=own + np.array([5000.0, 0, 0]))
    twice = json.loads(path.read_text())
    again = [entry | {"image_id": 786} for entry in twice if entry["image_id"] == 785]
    path.write_text(json.dumps(twice + again))
    with pytest.raises(InputError, match="785 and 786; say which"):
        read(path, image_id="auto", people_px=own)


def test_frames(tmp_path):
    path = mmpose_video(tmp_path / "v.json", points(COCO_17))
    with pytest.raises(InputError, match="3 frames, 0 to 2; say which with --frame"):
        read(path)
    with pytest.raises(InputError, match="no frame '3'"):
        read(path, frame="3")
    moved = expected_body25(COCO_17)
    moved[..., 0] += 80 * (moved[..., 2] > 0)
    check(read(path, frame="2").keypoints, moved)
    path = easy_vitpose(tmp_path / "e.json", points(COCO_17), frames=4)
    found = read(path, frame="1").keypoints
    assert abs(found[0, 0, 1] - PEOPLE[0]["nose"][1] - 50) < TOLERANCE_PX
    # One image without frames is that of any frame.
    check(read(mmpose(tmp_path / "k.json", points(COCO_17)), frame="7").keypoints, expected_body25(COCO_17))


def test_arrays_over_frames(tmp_path):
    people = np.stack([points(COCO_17), points(COCO_17) + np.array([9, 0, 0])])
    np.savez(tmp_path / "k.npz", keypoints=people[..., :2], scores=people[..., 2])
    assert abs(read(tmp_path / "k.npz", frame="1").keypoints[0, 0, 0] - PEOPLE[0]["nose"][0] - 9) < TOLERANCE_PX
    with pytest.raises(InputError, match="--frame"):
        read(tmp_path / "k.npz")
    check(read(bare_array(tmp_path / "k.npy", points(COCO_17)[:1])).keypoints, expected_body25(COCO_17)[:1])
    check(read(bare_array(tmp_path / "k.npy", points(COCO_17)[0])).keypoints, expected_body25(COCO_17)[:1])


# Several files and folders


def test_files_of_several_detectors(tmp_path):
    first = mmpose(tmp_path / "a.json", points(COCO_17)[:1])
    second = openpose(tmp_path / "b.json", points(ORDERS["body25b"]), expected_hands())
    merged = read_merged([first, second], layouts=["auto", "body25b"])
    check(merged.keypoints[:1, :15], expected_body25(COCO_17)[:1, :15])
    check(merged.keypoints[:, 19:], expected_body25(BODY_25)[:, 19:])  # the feet are the second detector's
    check(merged.hands, expected_hands())
    with pytest.raises(
        InputError, match="--keypoint_layout: expected one for all 2 keypoint files or one each, found 3"
    ):
        read_merged([first, second], layouts=["coco17"] * 3)


@pytest.mark.parametrize(
    "file",
    ["photo_keypoints.json", "photo_result.json", "results_photo.json", "photo.json", "photo.jpg.predictions.json"],
)
def test_folders_of_a_file_an_image(file, tmp_path):
    mmpose(tmp_path / file, points(COCO_17))
    mmpose(tmp_path / "photo2.json", points(COCO_17)[:1])
    (tmp_path / "readme.md").write_text("not keypoints")
    assert len(read_merged([tmp_path], names=("photo.jpg", "x")).keypoints) == 2
    with pytest.raises(InputError, match="none of its 2 keypoint files is named after unheard.jpg"):
        read_merged([tmp_path], names=("unheard.jpg",))
    mmpose(tmp_path / "photo.txt", points(COCO_17))
    with pytest.raises(InputError, match=r"photo\.txt are both|photo\.txt and .* are both"):
        read_merged([tmp_path], names=("photo.jpg",))


def test_folders_of_a_file_a_frame(tmp_path):
    for frame in range(3):
        openpose(tmp_path / f"clip_{frame:012d}_keypoints.json", points(BODY_25)[: 1 + frame % 2])
    assert len(read_merged([tmp_path], names=("clip",), frame="1").keypoints) == 2
    with pytest.raises(InputError, match="none of its 3"):
        read_merged([tmp_path], names=("clip",))
    with pytest.raises(InputError, match="no keypoint files"):
        (tmp_path / "empty").mkdir()
        read_merged([tmp_path / "empty"])


# Faults

BAD = {
    "openpose": {"people": [{"pose_keypoints_2d": [0.5] * 74}]},
    "openpose text": {"people": [{"pose_keypoints_2d": "0 1 2"}]},
    "openpose hand": {"people": [{"pose_keypoints_2d": [9.0] * 75, "hand_left_keypoints_2d": [1, 2]}]},
    "mmpose scores": [{"keypoints": [[1, 2]] * 17, "keypoint_scores": [1] * 16}],
    "mmpose points": [{"keypoints": [[1, 2, 3, 4]] * 17, "keypoint_scores": [1] * 17}],
    "mmpose person": [{"keypoints": [[1, 2]] * 17, "keypoint_scores": [1] * 17}, {"bbox": [1, 2, 3, 4]}],
    "mmpose frames": [{"frame_id": 0, "instances": [{"keypoints": None}]}],
    "mmpose names": {"meta_info": {"keypoint_id2name": {"1": "nose"}}, "instance_info": []},
    "mmpose uneven": [{"keypoints": [[1, 2], [3]], "keypoint_scores": [1, 1]}],
    "labels": [[{"keypoints": [[1, 2], [3, 4]], "scores": [1, 1], "labels": [0, 0]}]],
    "coco id": [{"image_id": None, "keypoints": [1] * 51}],
    "coco points": [{"image_id": 1, "keypoints": [1] * 50}],
    "coco lacking": [{"image_id": 1, "bbox": [1, 2, 3, 4]}],
    "annotations": {"annotations": [{"image_id": 1, "bbox": [1]}]},
    "annotations images": {"images": [{"id": 1, "file_name": 3}], "annotations": []},
    "annotations names": {"annotations": [], "categories": [{"keypoints": [1, 2]}]},
    "easy_vitpose": {"keypoints": [{"0": [[1, 2]]}]},
    "easy_vitpose frame": {"keypoints": [{}, 3]},
    "easy_vitpose names": {"keypoints": [{"0": [[1, 2, 1]] * 17}], "skeleton": {"0": "nose"}},
    "yolo": [{"keypoints": {"x": [1, 2], "y": [1], "visible": [1, 1]}}],
    "mediapipe": {"pose_landmarks": [[{"x": 0.5}]]},
    "mediapipe kind": {"pose_landmarks": 5},
    "alphapose": {"a.jpg": {"bodies": [{"joints": [1, 2]}]}},
    "rtmlib": {"keypoints": [[[1, 2]] * 17], "scores": [[1] * 16]},
    "words": {"keypoints": [["a", "b"]]},
    "other": {"vertices": [1, 2, 3]},
    "far": {"people": [{"pose_keypoints_2d": [1e9, 5, 1] * 25}]},
    "infinite": {"people": [{"pose_keypoints_2d": [float("inf"), 5, 1] * 25}]},
    "beyond": {"people": [{"pose_keypoints_2d": [10**400, 5, 1] * 25}]},
    "null": None,
    "number": 5,
    "text": "people",
}


@pytest.mark.parametrize("name", BAD)
def test_faults_are_named(name, tmp_path):
    path = tmp_path / "k.json"
    path.write_text(json.dumps(BAD[name]))
    with pytest.raises(InputError, match=r"k\.json") as error:
        read(path)
    message = str(error.value)
    assert "expected" in message or "found" in message or "holds" in message or "names for" in message
    assert len(message) < 1000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"  \n",
        b"[" * 100_000,
        b'{"people": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"people": [{"pose_keypoints_2d": [' + b"9" * 5_000 + b"]}]}",
        b"0 0.5 0.5 0.1 0.1 words",
        b"0 0.5 0.5\n",
        b"1 2 3 4 5 6 7 8\n",
        b"\x00\xff\xfe binary",
        b"{'people': []}",
        b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    ],
)
def test_files_that_are_no_keypoints(content, tmp_path):
    path = tmp_path / "k.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"k\.json"):
        read(path)
    for gone in (tmp_path, tmp_path / "gone.json"):
        with pytest.raises(InputError, match=gone.name):
            read(gone)
