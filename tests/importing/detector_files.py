"""Writes keypoint files as detectors write them, from two people whose points are known by name.

The orders are lists of names, as the detectors' own documentation gives them: independent of the reader's numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SIZE = (640, 480)
_SIDES = ("left", "right")


def _pairs(*parts: str, first: str = "left") -> list[str]:
    second = "right" if first == "left" else "left"
    return [f"{side}_{part}" for part in parts for side in (first, second)]


def _hand(side: str) -> list[str]:
    fingers = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
    return [f"{side}_hand_root", *(f"{side}_{finger}{joint}" for finger in fingers for joint in (1, 2, 3, 4))]


def _foot(side: str) -> list[str]:
    return [f"{side}_big_toe", f"{side}_small_toe", f"{side}_heel"]


def _limb(side: str, *parts: str) -> list[str]:
    return [f"{side}_{part}" for part in parts]


_ARM, _LEG = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")
_FEET = [*_foot("left"), *_foot("right")]
_FACE = [f"face-{n}" for n in range(68)]
_HANDS = [*_hand("left"), *_hand("right")]
BODY_25 = [
    "nose", "neck", *_limb("right", *_ARM), *_limb("left", *_ARM), "mid_hip", *_limb("right", *_LEG),
    *_limb("left", *_LEG), "right_eye", "left_eye", "right_ear", "left_ear", *_FEET,
]  # fmt: skip
COCO_17 = ["nose", *_pairs("eye", "ear", *_ARM, *_LEG)]
_OPENPOSE_18 = [
    "nose", "neck", *_limb("right", *_ARM), *_limb("left", *_ARM), *_limb("right", *_LEG), *_limb("left", *_LEG),
    "right_eye", "left_eye", "right_ear", "left_ear",
]  # fmt: skip
_HALPE_26 = [*COCO_17, "head_top", "neck", "mid_hip", *_pairs("big_toe", "small_toe", "heel")]
# Meta's bodies count fingers from the tip; "1" is the joint next to the hand.
_META_FINGERS = [
    f"{f}{j}" for f in ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger") for j in "4321"
]
_META_70 = [
    "nose", *_pairs("eye", "ear", "shoulder", "elbow", "hip", "knee", "ankle"), *_FEET,
    *_limb("right", *_META_FINGERS), "right_wrist", *_limb("left", *_META_FINGERS), "left_wrist",
    *_pairs("olecranon", "cubital_fossa", "acromion"), "neck",
]  # fmt: skip
ORDERS: dict[str, list[str]] = {
    "body25": BODY_25,
    "body25b": [*COCO_17, "neck", "head_top", *_FEET],  # 17 is called the upper neck
    "coco25": ["nose", *_pairs("eye", "ear"), "neck", *_pairs(*_ARM), *_pairs("hip"), "mid_hip",
               *_pairs("knee", "ankle"),
               *_FEET],
    "coco17": COCO_17,
    "h36m17": ["mid_hip", *_limb("right", *_LEG), *_limb("left", *_LEG), "spine", "neck", "jaw", "head_top",
               *_limb("left", *_ARM), *_limb("right", *_ARM)],
    "coco18": _OPENPOSE_18,
    "halpe26": _HALPE_26,
    "mediapipe33": [
        "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
        *_pairs("ear"), "mouth_left", "mouth_right",
        *_pairs(*_ARM, "pinky", "index", "thumb", *_LEG, "heel", "big_toe"),
    ],
    "halpe68": [*_HALPE_26, *_HANDS],
    "mhr70": _META_70,
    "wholebody133": [*COCO_17, *_FEET, *_FACE, *_HANDS],
    "openpose134": [*_OPENPOSE_18, *_FEET, *_FACE, *_HANDS],
    "halpe136": [*_HALPE_26, *_FACE, *_HANDS],
    "sapiens308": [*_META_70, *(f"more-face-{n}" for n in range(238))],
    "mpi15": ["head_top", "neck", *_limb("right", *_ARM), *_limb("left", *_ARM), *_limb("right", *_LEG),
              *_limb("left", *_LEG), "chest"],
    "mpii16": ["right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "mid_hip", "neck",
               "upper_neck", "head_top", "right_wrist", "right_elbow", "right_shoulder", *_limb("left", *_ARM)],
    "aic14": [*_limb("right", *_ARM), *_limb("left", *_ARM), *_limb("right", *_LEG), *_limb("left", *_LEG), "head_top",
              "neck"],
    "crowdpose14": [*_pairs(*_ARM, *_LEG), "head_top", "neck"],
}  # fmt: skip

# A standing person seen from the front, in units of 100 px; its left side is at larger x.
_BODY = {
    "nose": (0.0, -1.70), "neck": (0.0, -1.40), "mid_hip": (0.01, -0.52), "head_top": (0.0, -1.95),
    "left_eye": (0.05, -1.75),
    "left_ear": (0.10, -1.72), "left_shoulder": (0.22, -1.38), "left_elbow": (0.35, -1.05), "left_wrist": (0.42, -0.72),
    "left_hip": (0.12, -0.50), "left_knee": (0.14, -0.02), "left_ankle": (0.16, 0.45), "left_big_toe": (0.22, 0.58),
    "left_small_toe": (0.28, 0.55), "left_heel": (0.15, 0.50),
}  # fmt: skip
_MIRRORED = {n.replace("left", "right"): (-x, y + 0.01) for n, (x, y) in _BODY.items() if n.startswith("left")}
_PLACES = ((220.0, 260.0, 0.1), (330.0, 270.0, -0.3))  # x, y, turn in the image


def _named_points(index: int) -> dict[str, tuple[float, float, float]]:
    """Every name of every order with a place and a confidence of its own."""
    rng = np.random.default_rng(index)
    x, y, turn = _PLACES[index]
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    named = {}
    for name in dict.fromkeys(name for order in ORDERS.values() for name in order):
        side = next((side for side in _SIDES if name.startswith(side)), None)
        near = {**_BODY, **_MIRRORED}.get(name)
        if near is None:
            near = (np.array({**_BODY, **_MIRRORED}[f"{side}_wrist"] if side else (0.0, -1.70))) + rng.uniform(
                -0.1, 0.1, 2
            )
        place = 100.0 * rotation @ np.asarray(near) + (x, y)
        named[name] = (round(float(place[0]), 3), round(float(place[1]), 3), round(float(rng.uniform(0.3, 0.95)), 3))
    for side in _SIDES:
        # Meta's hands have no root but the wrist.
        named[f"{side}_hand_root"] = named[f"{side}_wrist"]
    return named


PEOPLE = tuple(_named_points(index) for index in range(len(_PLACES)))


def points(order: Sequence[str], missing: Sequence[str] = ()) -> np.ndarray:
    """(2, K, 3) x, y, confidence of both people; missing points are 0, 0, 0."""
    return np.array([[(0.0, 0.0, 0.0) if n in missing else person[n] for n in order] for person in PEOPLE])


def expected_body25(order: Sequence[str], missing: Sequence[str] = ()) -> np.ndarray:
    """(2, 25, 3) what a reader is to make of the points: by name, neck and mid hip made where the order lacks them."""
    made = {"neck": ("right_shoulder", "left_shoulder"), "mid_hip": ("right_hip", "left_hip")}
    given = set(order) - set(missing)
    result = np.zeros((len(PEOPLE), 25, 3))
    for person, row in zip(PEOPLE, result, strict=True):
        for k, name in enumerate(BODY_25):
            parts = made.get(name, (name,)) if name not in order else (name,)
            if set(parts) <= given:
                of = np.array([person[part] for part in parts])
                row[k] = [*of[:, :2].mean(axis=0), of[:, 2].min()]
    return result


def expected_hands() -> np.ndarray:
    """(2, 2, 21, 3) left and right hands."""
    return np.stack([points(_hand(side)) for side in _SIDES], axis=1)


def _json(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def openpose(path: Path, people: np.ndarray, hands: np.ndarray | None = None, **more: Any) -> Path:
    entries = [
        {"person_id": [-1], "pose_keypoints_2d": p.reshape(-1).tolist(), "face_keypoints_2d": []} for p in people
    ]
    if hands is not None:
        for entry, (left, right) in zip(entries, hands, strict=True):
            entry |= {"hand_left_keypoints_2d": left.reshape(-1).tolist()}
            entry |= {"hand_right_keypoints_2d": right.reshape(-1).tolist()}
    return _json(path, {"version": 1.3, "people": entries} | more)


def easy_vitpose(path: Path, people: np.ndarray, order: Sequence[str] | None = None, frames: int = 1) -> Path:
    names = {} if order is None else {"skeleton": {str(i): "hip" if n == "mid_hip" else n for i, n in enumerate(order)}}
    listed = [
        {str(i): [[y + 50 * t, x, c] for x, y, c in person.tolist()] for i, person in enumerate(people)}
        for t in range(frames)
    ]
    return _json(path, {"keypoints": listed} | names)


def instances(people: np.ndarray) -> list[dict[str, Any]]:
    """MMPose's list of people; the box is doubly nested."""
    return [
        {
            "keypoints": person[:, :2].tolist(),
            "keypoint_scores": person[:, 2].tolist(),
            "bbox": [[*person[:, :2].min(axis=0).tolist(), *person[:, :2].max(axis=0).tolist()]],
            "bbox_score": 0.9,
        }
        for person in people
    ]


def mmpose(path: Path, people: np.ndarray) -> Path:
    return _json(path, instances(people))


def mmpose_video(path: Path, people: np.ndarray, frames: int = 3) -> Path:
    moved = [people + np.array([40.0 * t, 0, 0]) for t in range(frames)]
    return _json(path, [{"frame_id": t, "instances": instances(p)} for t, p in enumerate(moved)])


def mmpose_demo(path: Path, people: np.ndarray, order: Sequence[str]) -> Path:
    meta = {"dataset_name": "any", "keypoint_id2name": {str(i): name for i, name in enumerate(order)}}
    return _json(path, {"meta_info": meta, "instance_info": instances(people)})


def mmpose_json_tricks(path: Path, people: np.ndarray) -> Path:
    listed = [
        {name: {"__ndarray__": entry[name], "dtype": "float32"} for name in ("keypoints", "keypoint_scores")}
        for entry in instances(people)
    ]
    return _json(path, {"instance_info": listed})


def mmpose_0(path: Path, people: np.ndarray) -> Path:
    return _json(path, [{"bbox": [1.0, 2.0, 3.0, 4.0, 0.9], "keypoints": person.tolist()} for person in people])


def rtmlib(path: Path, people: np.ndarray) -> Path:
    if path.suffix == ".npz":
        np.savez(path, keypoints=people[..., :2].astype(np.float32), scores=people[..., 2].astype(np.float32))
        return path
    return _json(path, {"keypoints": people[..., :2].tolist(), "scores": people[..., 2].tolist()})


def detectron2_memory(path: Path, people: np.ndarray) -> Path:
    np.savez(path, pred_keypoints=people.astype(np.float32), pred_classes=np.zeros(len(people), int))
    return path


def bare_array(path: Path, people: np.ndarray) -> Path:
    np.save(path, people.astype(np.float32))
    return path


def coco_results(path: Path, people: np.ndarray, image_id: Any = 785, others: Sequence[Any] = (139,)) -> Path:
    """Also AlphaPose's default (image ids are names) and Detectron2's `coco_instances_results.json`."""

    def entry(image: Any, person: np.ndarray) -> dict[str, Any]:
        flat = person.reshape(-1).tolist()
        return {"image_id": image, "category_id": 1, "keypoints": flat, "score": 2.9, "bbox": [1.0, 2.0, 3.0, 4.0]}

    away = [entry(other, person + np.array([200.0, 30, 0])) for other in others for person in people]
    return _json(path, [*away, *(entry(image_id, person) for person in people)])


def coco_annotations(path: Path, people: np.ndarray, names: Sequence[str] | None = None) -> Path:
    flags = people.copy()
    flags[..., 2] = np.where(people[..., 2] > 0.5, 2, np.where(people[..., 2] > 0, 1, 0))
    images = [
        {"id": 7, "file_name": "other.jpg"},
        {"id": 8, "file_name": "train/photo.jpg", "width": 640, "height": 480},
    ]
    entries = [
        {"id": i, "image_id": 8, "category_id": 1, "num_keypoints": 9, "keypoints": person.reshape(-1).tolist()}
        for i, person in enumerate(flags)
    ]
    entries.append({"id": 9, "image_id": 8, "category_id": 1, "num_keypoints": 0, "keypoints": [0] * flags[0].size})
    entries.append({"id": 10, "image_id": 8, "category_id": 18, "bbox": [1, 2, 3, 4]})
    categories = [{"id": 1, "name": "person"} | ({} if names is None else {"keypoints": list(names)})]
    return _json(path, {"images": images, "annotations": entries, "categories": categories})


def alphapose_open(path: Path, people: np.ndarray, form: str = "open", image: str | None = "photo.jpg") -> Path:
    """18 points whose neck lies somewhere else, as of models with 26 points."""
    people = people.copy()
    people[:, 1, :2] += 60.0
    key, points_key = ("people", "pose_keypoints_2d") if form == "open" else ("bodies", "joints")
    entry = {"version": "AlphaPose v0.3", key: [{points_key: p.reshape(-1).tolist()} for p in people]}
    away = {"version": "AlphaPose v0.3", key: []}
    return _json(path, entry if image is None else {"other.jpg": away, image: entry})


def yolo_json(path: Path, people: np.ndarray, normalize: bool = False) -> Path:
    scale = np.array([1 / SIZE[0], 1 / SIZE[1], 1]) if normalize else np.ones(3)
    listed: list[dict[str, Any]] = [{"name": "dog", "class": 16, "confidence": 0.5, "box": {"x1": 1.0}}]
    for person in people * scale:
        x, y, visible = person.T.tolist()
        listed.append(
            {"name": "person", "class": 0, "confidence": 0.9, "keypoints": {"x": x, "y": y, "visible": visible}}
        )
    return _json(path, listed)


def yolo_text(path: Path, people: np.ndarray, runs: int = 1, more: Sequence[float] = ()) -> Path:
    scaled = people * np.array([1 / SIZE[0], 1 / SIZE[1], 1])
    rows = [[0, 0.5, 0.5, 0.2, 0.9, *person.reshape(-1).tolist(), *more] for person in scaled]
    path.write_text("\n".join(" ".join(f"{v:.6f}" for v in row) for row in rows * runs) + "\n")
    return path


def mediapipe(path: Path, people: np.ndarray, legacy: bool = False, frames: int = 0) -> Path:
    scaled = people * np.array([1 / SIZE[0], 1 / SIZE[1], 1])
    landmarks = [
        [{"x": x, "y": y, "z": -0.1, "visibility": c, "presence": 0.9} for x, y, c in person.tolist()]
        for person in scaled
    ]
    world = [[{"x": 0.1, "y": 0.2, "z": 0.3, "visibility": 1.0}] * people.shape[1]] * len(people)
    if legacy:
        return _json(
            path, {"pose_landmarks": {"landmark": landmarks[0]}, "pose_world_landmarks": {"landmark": world[0]}}
        )
    result = {"pose_landmarks": landmarks, "pose_world_landmarks": world}
    return _json(path, [{"pose_landmarks": []}, *[result] * frames] if frames else result)


def hugging_face(path: Path, people: np.ndarray, threshold: float = 0.0) -> Path:
    """A list over images; with a threshold the unsure points are left out and `labels` says which are there."""
    listed = []
    for person in people:
        kept = np.flatnonzero(person[:, 2] >= threshold)
        listed.append(
            {
                "keypoints": person[kept, :2].tolist(),
                "scores": person[kept, 2].tolist(),
                "labels": kept.tolist(),
                "bbox": [1.0, 2.0, 3.0, 4.0],
            }
        )
    return _json(path, [listed])


def named_points(path: Path, people: np.ndarray, order: Sequence[str]) -> Path:
    """TensorFlow.js: each point a dictionary."""
    listed = [
        [{"y": y, "x": x, "score": c, "name": name} for name, (x, y, c) in zip(order, person.tolist(), strict=True)]
        for person in people
    ]
    return _json(path, [{"score": 0.9, "keypoints": of_one} for of_one in listed])


def openpose_frames(path: Path, people: np.ndarray) -> Path:
    """DWPose's nodes save a list of OpenPose's dictionaries, one a frame."""
    one = json.loads(openpose(path, people).read_text()) | {"canvas_width": SIZE[0], "canvas_height": SIZE[1]}
    return _json(path, [one | {"people": []}, one])


# Name of a test: (file name, writer, layout the file is in, more for read_keypoints).
FILES: dict[str, tuple[str, Callable[[Path, np.ndarray], Path], str, dict[str, Any]]] = {
    "openpose": ("photo_keypoints.json", openpose, "body25", {}),
    "openpose_body25b": ("photo_keypoints.json", openpose, "body25b", {"layout": "body25b"}),
    "openpose_coco": ("photo_keypoints.json", openpose, "coco18", {}),
    "openpose_mpi": ("photo_keypoints.json", openpose, "mpi15", {}),
    "openpose_of_coco17": ("photo_keypoints.json", openpose, "coco17", {}),
    "easy_vitpose_coco17": ("photo_result.json", easy_vitpose, "coco17", {}),
    "easy_vitpose_coco25": ("photo_result.json", lambda p, k: easy_vitpose(p, k, ORDERS["coco25"]), "coco25", {}),
    "easy_vitpose_coco25_unnamed": ("photo_result.json", easy_vitpose, "coco25", {}),
    "easy_vitpose_wholebody": ("photo_result.json", easy_vitpose, "wholebody133", {}),
    "easy_vitpose_aic": ("photo_result.json", lambda p, k: easy_vitpose(p, k, ORDERS["aic14"]), "aic14", {}),
    "mmpose_coco17": ("photo.json", mmpose, "coco17", {}),
    "mmpose_halpe26": ("photo.json", mmpose, "halpe26", {}),
    "mmpose_wholebody": ("photo.json", mmpose, "wholebody133", {}),
    "mmpose_video": ("video.json", mmpose_video, "coco17", {"frame": "0"}),
    "mmpose_demo": ("results_photo.json", lambda p, k: mmpose_demo(p, k, COCO_17), "coco17", {}),
    "mmpose_demo_mpii": ("results_photo.json", lambda p, k: mmpose_demo(p, k, ORDERS["mpii16"]), "mpii16", {}),
    "mmpose_demo_crowdpose": ("r.json", lambda p, k: mmpose_demo(p, k, ORDERS["crowdpose14"]), "crowdpose14", {}),
    "mmpose_demo_h36m": ("r.json", lambda p, k: mmpose_demo(p, k, ORDERS["h36m17"]), "h36m17", {}),
    "mmpose_json_tricks": ("photo.json", mmpose_json_tricks, "wholebody133", {}),
    "mmpose_0": ("photo.json", mmpose_0, "coco17", {}),
    "rtmlib_body": ("photo.json", rtmlib, "coco17", {}),
    "rtmlib_feet": ("photo.npz", rtmlib, "halpe26", {}),
    "rtmlib_coco25": ("photo.npz", rtmlib, "coco25", {}),
    "rtmlib_wholebody": ("photo.npz", rtmlib, "wholebody133", {}),
    "rtmlib_openpose": ("photo.npz", rtmlib, "openpose134", {}),
    "sapiens_133": ("photo.json", lambda p, k: _json(p, {"instance_info": instances(k)}), "wholebody133", {}),
    "sapiens_308": ("photo.json", lambda p, k: _json(p, {"instance_info": instances(k)}), "sapiens308", {}),
    "mhr_70": ("photo.npz", rtmlib, "mhr70", {}),
    "detectron2_memory": ("photo.npz", detectron2_memory, "coco17", {}),
    "detectron2_results": ("coco_instances_results.json", coco_results, "coco17", {"image_id": "785"}),
    "coco_results": ("results.json", coco_results, "coco17", {"image_id": "000785"}),
    "alphapose": ("alphapose-results.json", lambda p, k: coco_results(p, k, "photo.jpg", ["other.jpg"]), "coco17", {}),
    "alphapose_26": (
        "alphapose-results.json",
        lambda p, k: coco_results(p, k, "photo.jpg", ["other.jpg"]),
        "halpe26",
        {},
    ),
    "alphapose_68": ("alphapose-results.json", lambda p, k: coco_results(p, k, "photo.jpg", ["a.jpg"]), "halpe68", {}),
    "alphapose_136": (
        "alphapose-results.json",
        lambda p, k: coco_results(p, k, "photo.jpg", ["a.jpg"]),
        "halpe136",
        {},
    ),
    "yolo_json": ("photo.json", yolo_json, "coco17", {}),
    "yolo_json_normalised": ("photo.json", lambda p, k: yolo_json(p, k, True), "coco17", {}),
    "yolo_text": ("photo.txt", yolo_text, "coco17", {}),
    "yolo_text_tracked": ("photo.txt", lambda p, k: yolo_text(p, k, 2, (0.9, 3)), "coco17", {}),
    "mediapipe": ("photo.json", mediapipe, "mediapipe33", {}),
    "mediapipe_video": ("video.json", lambda p, k: mediapipe(p, k, frames=2), "mediapipe33", {"frame": "1"}),
    "hugging_face": ("photo.json", hugging_face, "coco17", {}),
    "pifpaf": (
        "photo.jpg.predictions.json",
        lambda p, k: _json(p, [{"keypoints": x.ravel().tolist()} for x in k]),
        "coco17",
        {},
    ),
    "easymocap": (
        "000000.json",
        lambda p, k: _json(p, {"annots": [{"keypoints": x.tolist()} for x in k]}),
        "body25",
        {},
    ),
    "movenet": ("photo.json", lambda p, k: named_points(p, k, COCO_17), "coco17", {}),
    "blazepose": ("photo.json", lambda p, k: named_points(p, k, ORDERS["mediapipe33"]), "mediapipe33", {}),
    "dwpose": ("photo.json", openpose_frames, "coco18", {"frame": "1"}),
    "bare_array": ("photo.npy", bare_array, "coco17", {}),
    "bare_body25": ("photo.npy", bare_array, "body25", {}),
}
