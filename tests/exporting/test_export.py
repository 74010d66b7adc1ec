"""Every export, read back by another reader than the one that wrote it, gives the fitted people."""

from __future__ import annotations

import dataclasses
import io
import struct
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from prosepose_jax.apps.main import main
from prosepose_jax.body import BodyModel, BodyParams, pose_body
from prosepose_jax.errors import InputError
from prosepose_jax.exporting import FORMATS, PosedPerson, export_scene, posed_people
from prosepose_jax.exporting.bvh import bvh_text
from prosepose_jax.exporting.motions import amass_arrays, smplx_arrays
from prosepose_jax.exporting.skinned import weight_sets
from prosepose_jax.io import save_fit
from prosepose_jax.scene import Fit, Scene

FLIP = np.array([1.0, -1.0, -1.0])  # camera frame to y up


@pytest.fixture(scope="module")
def posed(small_body: BodyModel) -> tuple[BodyModel, Fit, Scene]:
    """Two people in wild poses, hands and children included, on a body with pose corrections."""
    rng = np.random.default_rng(0)
    pose_dirs = 1e-3 * rng.normal(size=(small_body.num_vertices, 3, 9 * (small_body.num_joints - 1)))
    body = small_body.replace(pose_dirs=jnp.asarray(pose_dirs, jnp.float32))
    params = dataclasses.replace(
        BodyParams.zeros(2, 4, min(10, body.num_expressions)),
        global_orient=jnp.asarray([[3.0, 0.3, -0.2], [0.1, 3.1, 0.4]]),
        body_pose=jnp.asarray(rng.normal(size=(2, 21, 3)) * 0.6),
        betas=jnp.asarray(rng.normal(size=(2, 4))),
        transl=jnp.asarray([[0.3, 0.1, 3.0], [-0.4, 0.2, 3.5]]),
        left_hand_pose=jnp.asarray(rng.normal(size=(2, 15, 3)) * 0.3),
        right_hand_pose=jnp.asarray(rng.normal(size=(2, 15, 3)) * 0.3),
        jaw_pose=jnp.asarray(rng.normal(size=(2, 3)) * 0.1),
        kid_scale=jnp.asarray([0.0, 0.4]),
    )
    people = pose_body(body, params)
    names = ("global_orient", "body_pose", "betas", "transl", "kid_scale")
    fit = Fit(
        "hug", "ok", vertices=np.asarray(people.vertices), joints=np.asarray(people.joints),
        **{name: np.asarray(getattr(params, name)) for name in names},
    )  # fmt: skip
    hands = {n: np.asarray(getattr(params, n)) for n in ("left_hand_pose", "right_hand_pose", "jaw_pose")}
    scene = Scene(
        "hug", *(np.asarray(getattr(params, name)) for name in names[:4]), keypoints=np.zeros((2, 25, 3)),
        focal_length=np.ones(2), principal_point=np.ones(2), image_size=np.ones(2), **hands,
    )  # fmt: skip
    return body, fit, scene


@pytest.fixture(scope="module")
def people(posed: tuple[BodyModel, Fit, Scene]) -> list[PosedPerson]:
    return posed_people(*posed)


def test_obj_and_ply(people: list[PosedPerson], tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    wanted = np.concatenate([person.vertices_cam * FLIP for person in people])
    for name in ("obj", "ply"):
        (file,) = export_scene(tmp_path, "hug", people, name)
        mesh = trimesh.load(file, process=False, force="mesh", maintain_order=True)
        np.testing.assert_allclose(mesh.vertices, wanted, atol=1e-4)
        assert len(mesh.faces) == 2 * len(people[0].faces)
        assert mesh.faces.max() == len(wanted) - 1
    # The ply has the people apart by colour.
    colors = np.asarray(mesh.visual.vertex_colors)[:, :3]
    assert len(np.unique(colors, axis=0)) == 2 and (colors[0] != colors[-1]).any()


def _accessor(document, blob: bytes, index: int) -> np.ndarray:
    accessor = document.accessors[index]
    view = document.bufferViews[accessor.bufferView]
    dtype = {5126: "<f4", 5125: "<u4", 5123: "<u2"}[accessor.componentType]
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor.type]
    return np.frombuffer(blob, dtype, accessor.count * width, view.byteOffset).reshape(accessor.count, width)


def _node_matrix(node) -> np.ndarray:
    x, y, z, w = node.rotation or (0.0, 0.0, 0.0, 1.0)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = node.translation or (0.0, 0.0, 0.0)
    return matrix


def test_skinned_glb_posed_by_its_own_skeleton(people: list[PosedPerson], tmp_path: Path) -> None:
    pygltflib = pytest.importorskip("pygltflib")
    (file,) = export_scene(tmp_path, "hug", people, "glb")
    document = pygltflib.GLTF2().load(str(file))
    blob = document.binary_blob()
    world = {node: _node_matrix(document.nodes[node]) for node in document.scenes[0].nodes}
    open_nodes = list(world)
    while open_nodes:
        node = open_nodes.pop()
        for child in document.nodes[node].children or ():
            world[child] = world[node] @ _node_matrix(document.nodes[child])
            open_nodes.append(child)
    skinned = [node for node in document.nodes if node.skin is not None]
    assert [node.name for node in skinned] == ["person 0", "person 1"]
    for node, person in zip(skinned, people, strict=True):
        skin, mesh = document.skins[node.skin], document.meshes[node.mesh]
        (primitive,) = mesh.primitives
        vertices = _accessor(document, blob, primitive.attributes.POSITION).astype(float)
        for target, weight in zip(primitive.targets, mesh.weights, strict=True):
            vertices = vertices + weight * _accessor(document, blob, target["POSITION"])
        inverse = _accessor(document, blob, skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
        matrices = np.stack([world[joint] @ bind for joint, bind in zip(skin.joints, inverse, strict=True)])
        blended = np.zeros((len(vertices), 4, 4))
        for number in range(4):
            ids = getattr(primitive.attributes, f"JOINTS_{number}", None)
            if ids is not None:
                weights = _accessor(document, blob, getattr(primitive.attributes, f"WEIGHTS_{number}"))
                blended += np.einsum("vk,vkij->vij", weights, matrices[_accessor(document, blob, ids)])
        found = np.einsum("vij,vj->vi", blended, np.c_[vertices, np.ones(len(vertices))])[:, :3]
        np.testing.assert_allclose(found, person.vertices_cam * FLIP, atol=1e-4)
        names = [document.nodes[joint].name for joint in skin.joints]
        assert names[0] == "pelvis" and len(set(names)) == len(names) == len(person.parents)
        assert (_accessor(document, blob, primitive.indices).reshape(-1, 3) == person.faces).all()


def test_weights_beyond_four_joints_are_kept() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(7), size=20)
    sets = weight_sets(weights)
    assert len(sets) == 2
    total = np.zeros_like(weights)
    for ids, values in sets:
        np.add.at(total, (np.arange(20)[:, None], ids), values)
    np.testing.assert_allclose(total, weights, atol=1e-12)
    assert (sets[0][1].min(axis=1) >= sets[1][1].max(axis=1)).all()
    assert len(weight_sets(np.eye(5))) == 1


def _read_bvh(text: str) -> dict[str, np.ndarray]:
    """{joint: place} of the first frame, by a reader that knows the format and nothing else."""
    lines = iter(text.splitlines())
    joints: list[tuple[str, int, np.ndarray, list[str]]] = []  # name, parent, offset, channels
    stack: list[int] = []
    for line in lines:
        words = line.split()
        if words[0] in ("ROOT", "JOINT"):
            joints.append((words[1], stack[-1] if stack else -1, np.zeros(3), []))
            stack.append(len(joints) - 1)
        elif words[0] == "End":
            stack.append(-2)
        elif words[0] == "OFFSET" and stack[-1] >= 0:
            joints[stack[-1]][2][:] = [float(word) for word in words[1:]]
        elif words[0] == "CHANNELS":
            joints[stack[-1]][3].extend(words[2:])
            assert int(words[1]) == len(words) - 2
        elif words[0] == "}":
            stack.pop()
        elif words[0] == "MOTION":
            break
    assert next(lines) == "Frames: 1" and next(lines).startswith("Frame Time:")
    values = iter(float(word) for word in next(lines).split())
    frames: list[tuple[np.ndarray, np.ndarray]] = []
    places = {}
    for name, parent, offset, channels in joints:
        place, rotation = offset.copy(), np.eye(3)
        for channel in channels:
            value, axis = next(values), "XYZ".index(channel[0])
            if channel.endswith("position"):
                place[axis] += value
            else:
                c, s = np.cos(np.radians(value)), np.sin(np.radians(value))
                turn = np.eye(3)
                i, j = (axis + 1) % 3, (axis + 2) % 3
                turn[i, i], turn[i, j], turn[j, i], turn[j, j] = c, -s, s, c
                rotation = rotation @ turn
        if parent >= 0:
            above, origin = frames[parent]
            place, rotation = origin + above @ place, above @ rotation
        frames.append((rotation, place))
        places[name] = place
    assert next(values, None) is None
    return places


def test_bvh(posed: tuple[BodyModel, Fit, Scene], people: list[PosedPerson], tmp_path: Path) -> None:
    files = export_scene(tmp_path, "hug", people, "bvh")
    for file, person, joints in zip(files, people, posed[1].joints, strict=True):
        places = _read_bvh(file.read_text())
        found = np.stack([places[name] for name in person.joint_names])
        np.testing.assert_allclose(found, joints * FLIP, atol=1e-4)


def test_bvh_at_the_pole_of_its_angles(people: list[PosedPerson]) -> None:
    quarter = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])  # a quarter turn about y
    rotations = people[0].rotations.copy()
    rotations[1:5] = [quarter, quarter.T, quarter, quarter.T]
    person = dataclasses.replace(people[0], rotations=rotations)
    frames, places = [], []
    for joint, parent in enumerate(person.parents):
        above = frames[parent] if parent >= 0 else np.diag(FLIP)
        offset = person.joints_rest[joint] - (person.joints_rest[parent] if parent >= 0 else -person.transl)
        places.append((places[parent] if parent >= 0 else 0) + above @ offset)
        frames.append(above @ rotations[joint])
    found = _read_bvh(bvh_text(person))
    np.testing.assert_allclose([found[name] for name in person.joint_names], places, atol=1e-4)


@pytest.mark.parametrize(
    ("arrays", "turn"),
    [(smplx_arrays, np.diag(FLIP)), (amass_arrays, np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]]))],
)
def test_motions_posed_again(posed: tuple[BodyModel, Fit, Scene], people: list[PosedPerson], arrays, turn) -> None:
    """With hands as written: the mean hand is in them already."""
    body = posed[0].replace(left_hand_mean=jnp.zeros((15, 3)), right_hand_mean=jnp.zeros((15, 3)))
    for person in people:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays(person))
        buffer.seek(0)
        with np.load(buffer, allow_pickle=False) as read:
            poses, trans = read["poses"], read["trans"]
            assert poses.shape == (1, 165) and trans.shape == (1, 3) and str(read["gender"]) == "neutral"
            parts = np.split(poses.reshape(-1, 3), [1, 22, 23, 24, 25, 40])
            params = dataclasses.replace(
                BodyParams.zeros(1, 4, min(10, body.num_expressions)),
                **{
                    name: jnp.asarray(part if name == "body_pose" or "hand" in name else part[0])[None]
                    for name, part in zip(
                        ("global_orient", "body_pose", "jaw_pose", "leye_pose", "reye_pose", "left_hand_pose",
                         "right_hand_pose"), parts, strict=True)
                },
                betas=jnp.asarray(read["betas"][None, :4]),
                transl=jnp.asarray(trans),
                kid_scale=jnp.asarray(read["kid_scale"][None]),
            )  # fmt: skip
        found = np.asarray(pose_body(body, params).vertices[0])
        np.testing.assert_allclose(found, person.vertices_cam @ turn.T, atol=1e-4)


def test_amass_is_upright_along_z(people: list[PosedPerson]) -> None:
    arrays = amass_arrays(people[0])
    assert {"root_orient", "pose_body", "pose_hand", "pose_jaw", "pose_eye", "mocap_frame_rate"} <= set(arrays)
    np.testing.assert_array_equal(arrays["poses"][:, 75:], arrays["pose_hand"])


def test_what_does_not_fit_together_is_named(posed: tuple[BodyModel, Fit, Scene], small_body: BodyModel) -> None:
    body, fit, scene = posed
    with pytest.raises(
        InputError, match="hug: person 0: the pose gives other vertices, .* mm apart; give the --scenes"
    ):
        posed_people(body, fit)
    with pytest.raises(InputError, match="give the --body of the run"):
        posed_people(small_body, fit, scene)
    with pytest.raises(InputError, match="nothing to export, its status is 'failed: why'"):
        posed_people(body, Fit("hug", "failed: why"))


@pytest.mark.heavy
def test_the_command_exports_a_folder(
    small_body_file: Path, small_body: BodyModel, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    params = BodyParams.zeros(2, 2)
    params = dataclasses.replace(params, transl=jnp.asarray([[0.0, 0.0, 3.0], [0.5, 0.0, 3.0]]))
    people = pose_body(small_body, params)
    names = ("global_orient", "body_pose", "betas", "transl")
    fit = Fit("a", "ok", vertices=np.asarray(people.vertices), joints=np.asarray(people.joints),
              **{name: np.asarray(getattr(params, name)) for name in names})  # fmt: skip
    for key in ("a", "b"):
        save_fit(tmp_path, dataclasses.replace(fit, key=key))
    save_fit(tmp_path, Fit("c", "failed: no reason"))
    command = ["prosepose", "export", str(tmp_path), f"--body={small_body_file}"]
    assert main([*command, "--format=obj,ply,bvh,npz,amass"]) == 1
    said = capsys.readouterr()
    assert "FAILED c: nothing to export" in said.err and "2 of 3 scenes exported" in said.out
    found = sorted(str(file.relative_to(tmp_path / "exports")) for file in (tmp_path / "exports").rglob("*.*"))
    assert found == sorted(
        f"{name}/{key}{ending}"
        for name, endings in {
            "obj": [".obj"], "ply": [".ply"], "bvh": ["_person0.bvh", "_person1.bvh"],
            "npz": ["_person0.npz", "_person1.npz"], "amass": ["_person0.npz", "_person1.npz"],
        }.items()
        for key in "ab" for ending in endings
    )  # fmt: skip
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    for name in ("a", "of\x1bnone"):
        (scenes / f"{name}.npz").write_bytes(b"PK no scene")
    assert main([*command, "--format=obj", f"--scenes={scenes}", f"--out={tmp_path / 'other'}"]) == 1
    said = capsys.readouterr()
    assert "FAILED a: its scene cannot be read: " in said.err and r"FAILED of\x1bnone: " in said.err
    assert "1 of 3 scenes exported" in said.out and [f.name for f in (tmp_path / "other").iterdir()] == ["b.obj"]
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    assert main([*command, "--format=obj"]) == 2
    assert "config.json: not the JSON of a run's config" in capsys.readouterr().err
    asked: dict = {}
    (tmp_path / "config.json").write_text('{"body": {"path": "old.npz", "flat_hands": true}}', encoding="utf-8")

    def asked_for(**files: object) -> BodyModel:
        asked.update(files)
        return small_body

    monkeypatch.setattr("prosepose_jax.body.load_body", asked_for)
    assert main([*command, "--format=obj"]) == 1
    assert asked["path"] == str(small_body_file) and asked["flat_hands"] is True
    capsys.readouterr()
    assert main([*command, "--format=fbx"]) == 2
    assert "--format: expected some of glb, usd, obj, ply, bvh, npz, amass, found fbx" in capsys.readouterr().err
    assert main(["prosepose", "export"]) == 2
    assert "prosepose export DIR" in capsys.readouterr().err
    assert set(FORMATS) == {"glb", "usd", "obj", "ply", "bvh", "npz", "amass"}


def test_the_glb_is_whole(people: list[PosedPerson], tmp_path: Path) -> None:
    pytest.importorskip("pygltflib")
    (file,) = export_scene(tmp_path, "hug", people, "glb")
    data = file.read_bytes()
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
