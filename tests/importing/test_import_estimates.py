"""`prosepose import` on other tools' estimates: frames, names, notes, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from foreign_containers import write_npz, write_pickle
from foreign_files import bev_results, make_people, write_bev, write_image, write_openpose
from foreign_tools import make, smplx_pose, transl

from prosepose_jax.apps.import_ import main
from prosepose_jax.importing.folders import default_name, find_images
from prosepose_jax.importing.sources.table import SOURCES
from prosepose_jax.io import load_scene, load_scenes

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "import.md"


@pytest.fixture(scope="module")
def people(small_body):
    return make_people(small_body, [(-0.35, 3.4), (0.3, 3.7)], [0.0, 0.0], seed=4)


@pytest.fixture
def run(small_body_file, capsys, tmp_path):
    def call(*arguments: str) -> tuple[int, str]:
        status = main(["prosepose import", f"--body={small_body_file}", f"--out={tmp_path / 'out'}", *arguments])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return call


def video(path, people, frames) -> Path:
    """MMPose's JSON of a video: the people where the estimates' frame has them."""
    entries = []
    for index, frame in enumerate(frames):
        keypoints = people.detections([0, 1], shift_px=2.0 * index)
        instances = [
            {"keypoints": p[:, :2].tolist(), "keypoint_scores": p[:, 2].tolist(), "bbox": [[0, 0, 9, 9]]}
            for p in keypoints[:, [0, 16, 15, 18, 17, 5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11]]
        ]
        entries.append({"frame_id": frame, "instances": instances})
    path.write_text(json.dumps(entries))
    return path


def test_all_frames_become_scenes(run, tmp_path, people):
    case = make("wham", people, tmp_path / "in")
    keypoints = video(tmp_path / "video.json", people, [7, 8, 9])
    image = write_image(tmp_path / "clip.png")
    flags = [f"--estimates={case.paths[0]}", f"--keypoints={keypoints}", f"--image={image}", "--force"]
    status, text = run(*flags)
    assert status == 2 and "3 frames (7, 8, 9)" in text and "--frame=all" in text
    status, text = run(*flags, "--frame=all")
    assert status == 0, text
    assert [scene.key for scene in load_scenes(tmp_path / "out")] == ["clip_7_0", "clip_8_0", "clip_9_0"]
    moved = [load_scene(tmp_path / "out" / f"clip_{n}_0.npz").transl[0, 0] for n in (7, 8, 9)]
    np.testing.assert_allclose(np.diff(moved), 0.3, atol=1e-3)


def test_frames_with_the_keypoints_of_one_image_are_refused(run, tmp_path, people):
    case = make("wham", people, tmp_path / "in")
    keypoints = write_openpose(tmp_path / "k.json", people.detections([0, 1]))
    image = write_image(tmp_path / "clip.png")
    status, text = run(
        f"--estimates={case.paths[0]}", f"--keypoints={keypoints}", f"--image={image}", "--frame=all", "--force"
    )
    assert status == 2 and "same in every frame" in text


def test_notes_come_with_errors(run, tmp_path, people):
    detections = people.detections([0, 1])
    detections[1, 2:, 2] = 0  # two points alone
    fields = smplx_pose(people) | {"transl": transl(people, 900.0, "smplx"), "img_size": np.array([640, 480])}
    path, keypoints = write_npz(tmp_path / "p.npz", fields), write_openpose(tmp_path / "k.json", detections)
    status, text = run(f"--estimates={path}", f"--keypoints={keypoints}")
    assert status == 2 and "one person left, two are needed" in text
    assert "note:" in text and "no focal length" in text and "has no keypoints and is left out" in text


def test_focal_length_and_translation_are_told_by_the_keypoints(run, tmp_path, people):
    """Of a file without joints: the pelvis for the model's origin; a wrong focal length is named with its factor."""
    root = people.joints[:, 0].astype(np.float32)
    fields = smplx_pose(people) | {"transl": root, "img_size": np.array([640, 480])}
    keypoints = write_openpose(tmp_path / "k.json", people.detections([0, 1]))
    status, text = run(f"--estimates={write_npz(tmp_path / 'p.npz', fields)}", f"--keypoints={keypoints}")
    assert status == 0 and "taken for the place of the pelvis" in text
    fields["transl"] = transl(people, 554.2562584220408, "smplx")
    status, text = run(
        f"--estimates={write_npz(tmp_path / 'p.npz', fields)}", f"--keypoints={keypoints}", "--focal=1400"
    )
    assert status == 2 and "none of the 2" in text and "the focal length (0.4" in text


def test_check_writes_nothing(run, tmp_path, people):
    path = write_bev(tmp_path / "a.npz", bev_results(people))
    keypoints = write_openpose(tmp_path / "k.json", people.detections([0, 1]))
    status, text = run(f"--estimates={path}", f"--keypoints={keypoints}", "--check")
    assert status == 0 and "not written" in text and "% of its size from the keypoints" in text
    assert not (tmp_path / "out").exists()


def by_kind(folder: Path, people, names: dict[str, str], pictures: bool = True) -> Path:
    """`bev`, `vitpose` and `images` of so named files: {estimates' stem: keypoints' stem}."""
    for kind in ("bev", "vitpose", "images"):
        (folder / kind).mkdir(parents=True)
    for estimates, keypoints in names.items():
        write_bev(folder / "bev" / f"{estimates}.npz", bev_results(people))
        write_openpose(folder / "vitpose" / f"{keypoints}.json", people.detections([0, 1]))
        if pictures:
            write_image(folder / "images" / f"{keypoints.removesuffix('_keypoints')}.png")
    return folder


NAMES = {
    "time stamps": ({f"clip_{t}": f"clip_{t}_keypoints" for t in ("0.25", "0.5", "1.0")}, True,
                    ["clip_0.25", "clip_0.5", "clip_1.0"]),
    "time stamps without pictures": ({f"clip_{t}": f"clip_{t}_keypoints" for t in ("0.25", "0.5")}, False,
                                     ["clip_0.25", "clip_0.5"]),
    "threshold": ({"one_0.08": "one_keypoints", "two_0.08": "two"}, True, ["one", "two"]),
    "threshold without pictures": ({"one_0.1": "one_keypoints"}, False, ["one"]),
    "time stamps and threshold": ({"c_0.5_0.08": "c_0.5", "c_0.7_0.08": "c_0.7"}, True, ["c_0.5", "c_0.7"]),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_endings_are_cut_only_where_they_are_a_tools(tmp_path, people, name):
    names, pictures, wanted = NAMES[name]
    images, failures = find_images(by_kind(tmp_path / "in", people, names, pictures))
    assert [image.name for image in images] == wanted and not failures
    assert all(len(image.keypoints) == 1 and (image.image is not None) == pictures for image in images)


def test_two_files_of_one_name_are_an_error(run, tmp_path, people):
    folder = by_kind(tmp_path / "in", people, {"one_0.08": "one", "two": "two"})
    write_bev(folder / "bev" / "one_0.1.npz", bev_results(people))
    status, text = run(f"--folder={folder}")
    assert status == 1 and re.search(r"FAILED one: .*one_0.08.npz and .*one_0.1.npz: both", text)
    assert [scene.key for scene in load_scenes(tmp_path / "out")] == ["two_0"]


def test_names_of_single_imports(tmp_path):
    assert default_name(tmp_path / "bev.npz", tmp_path / "clip_0.25.jpg") == "clip_0.25"
    (tmp_path / "clip_0.25.npz").touch()
    assert default_name(tmp_path / "clip_0.25.npz") == "clip_0.25"
    (tmp_path / "clip.jpg").touch()
    assert default_name(tmp_path / "clip_0.25.npz") == "clip"


def test_folder_of_torch_files_and_several_files_an_image(run, tmp_path, people):
    for name, kind in (("a", "hmr2 torch"), ("b", "smplifyx"), ("c", "smplerx")):
        make(kind, people, tmp_path / "in" / name)
        write_openpose(tmp_path / "in" / name / "mmpose.json", people.detections([0, 1]))
        write_image(tmp_path / "in" / name / "photo.jpg")
    status, text = run(f"--folder={tmp_path / 'in'}")
    assert status == 0, text
    assert [scene.key for scene in load_scenes(tmp_path / "out")] == ["a_0", "b_0", "c_0"]


def test_parameters_by_id_and_in_two_frames(run, tmp_path, people):
    """People under their track numbers; of two frames the camera's, whatever the order."""
    pose, place = smplx_pose(people), transl(people, 554.2562584220408, "smplx")
    keypoints = write_openpose(tmp_path / "k.json", people.detections([0, 1]))
    camera = {"img_size": np.array([640, 480]), "focal_length": 554.2562584220408}
    by_id = {n: {k: v[i] for k, v in pose.items()} | {"transl": place[i]} | camera for i, n in enumerate((3, 8))}
    both = {"smpl_world": {k: v * 0 for k, v in pose.items()} | {"transl": place * 0 + 5},
            "smpl_camera": pose | {"transl": place}}  # fmt: skip
    backwards = dict(reversed(both.items()))
    for tree in (by_id, both | camera, backwards | camera):
        path = write_pickle(tmp_path / "p.pkl", tree)
        status, text = run(f"--estimates={path}", f"--keypoints={keypoints}", "--name=k")
        assert status == 0, text
        scene = load_scene(tmp_path / "out" / "k_0.npz")
        assert scene.agreement.max() < 0.02 and scene.num_people == 2
    twice = {"one": both["smpl_camera"], "other": both["smpl_camera"]} | camera
    status, text = run(f"--estimates={write_pickle(tmp_path / 'p.pkl', twice)}", f"--keypoints={keypoints}")
    assert status == 2 and "one and in other" in text


def test_the_document_names_every_tool():
    text = DOCUMENT.read_text(encoding="utf-8")
    for source in SOURCES.values():
        for word in re.split(r" or |, | [(]", source.title.removeprefix("a ").replace(")", "")):
            known = word.removesuffix(" tracks").removesuffix(" parameters").strip()
            assert known.lower() in text.lower(), (source.title, known)
