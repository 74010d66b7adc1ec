"""Readers of the tools that estimate people on photographs and in videos (facts and sources: docs/import.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from prosepose_jax.importing.estimates import ImageEstimates
from prosepose_jax.importing.sources.common import (
    REST_PELVIS,
    SourceInput,
    axis_angle,
    diagonal,
    estimates,
    from_body25,
    matrix,
    rotations,
    sixty_degrees,
)


def flat(tree: Any) -> dict[str, Any]:
    """Fields of nested dictionaries by their own name; the outer one wins."""
    fields: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            fields = {**flat(value), **fields}
        else:
            fields[str(name)] = value
    return fields


def crop_to_image(
    cam: np.ndarray, centre: np.ndarray, side: np.ndarray, focal: float, size: np.ndarray
) -> np.ndarray:
    """(n, 3) translations for the whole image from crop cameras (s, tx, ty) of square boxes (sources: CLIFF, HMR2)."""
    scale = cam[:, 0] * side.reshape(-1) + 1e-9
    return np.stack([
        cam[:, 1] + 2 * (centre[:, 0] - size[0] / 2) / scale,
        cam[:, 2] + 2 * (centre[:, 1] - size[1] / 2) / scale,
        2 * focal / scale,
    ], axis=1).astype(np.float32)  # fmt: skip


def read_hmr2(source: SourceInput) -> ImageEstimates:
    """4D-Humans and TokenHMR: the model's output, with the full camera or what it follows from."""
    fields = flat(source.trees[0])
    orient = source.array(fields, "global_orient")
    count = max(1, orient.size // 9 if orient.shape[-2:] == (3, 3) else orient.size // 3)
    pose = np.concatenate(
        [rotations(source, fields, "global_orient", count, 1), rotations(source, fields, "body_pose", count, 21)], axis=1
    )
    stored = np.asarray(fields["img_size"], np.float32).reshape(-1, 2)[0] if "img_size" in fields else None
    size = source.image_size(stored)
    focal = 5000.0 / 256.0 * float(size.max())
    if "pred_cam_t_full" in fields:
        transl = source.array(fields, "pred_cam_t_full", (count, 3))
        if "scaled_focal_length" in fields:
            focal = float(source.array(fields, "scaled_focal_length").reshape(-1)[0])
        notes: tuple[str, ...] = ()
    else:
        missing = [n for n in ("pred_cam", "box_center", "box_size") if n not in fields]
        if missing:
            raise source.fail(
                f"'pred_cam_t' is the translation of a crop and {', '.join(missing)} to convert it are missing; "
                "save pred_cam_t_full and scaled_focal_length, or the batch's box_center, box_size and img_size"
            )
        transl = crop_to_image(
            source.array(fields, "pred_cam", (count, 3)), source.array(fields, "box_center", (count, 2)),
            source.array(fields, "box_size", (count,)), focal, size,
        )  # fmt: skip
        notes = (f"{source.paths[0].name}: crop cameras converted to the whole image, focal length {focal:.0f} px",)
    points = None
    if "pred_keypoints_3d" in fields:
        points = from_body25(source.array(fields, "pred_keypoints_3d", (count, -1, 3))) + transl[:, None]
    root = None if points is None else points[:, 0]
    betas = source.array(fields, "betas", (count, -1)) if "betas" in fields else None
    return estimates(source, pose, size, np.full(2, focal), root=root, transl=transl, points=points, betas=betas, notes=notes)


def read_camerahmr(source: SourceInput) -> ImageEstimates:
    """CameraHMR: `img_size` is (h, w); intrinsics of the whole image."""
    fields = flat(source.trees[0])
    orient = source.array(fields, "global_orient")
    count = max(1, orient.size // 9 if orient.shape[-2:] == (3, 3) else orient.size // 3)
    body = source.array(fields, "body_pose")
    pose = np.concatenate(
        [rotations(source, fields, "global_orient", count, 1), rotations(source, fields, "body_pose", count, 21)], axis=1
    )
    k = source.array(fields, "cam_int", (-1, 3, 3))[0]
    size = source.image_size(np.round(2 * k[:2, 2]))
    if "output_cam_trans" in fields:
        transl = source.array(fields, "output_cam_trans", (count, 3))
    else:
        name = "out_cam" if "out_cam" in fields else "pred_cam"
        transl = crop_to_image(
            source.array(fields, name, (count, 3)), source.array(fields, "box_center", (count, 2)),
            source.array(fields, "box_size", (count,)), float(k[0, 0]), 2 * k[:2, 2],
        )  # fmt: skip
    model = "smplx" if body.size // count in (21 * 9, 21 * 3) else "smpl"
    return estimates(
        source, pose, size, np.array([k[0, 0], k[1, 1]]), transl=transl, model=model, principal=k[:2, 2],
        betas=source.array(fields, "betas", (count, -1)) if "betas" in fields else None,
    )  # fmt: skip


def read_phalp(source: SourceInput) -> ImageEstimates:
    """PHALP tracks: {frame path: lists over people}; focal length 5000/256 of the longer side."""
    tree = source.trees[0]
    names = list(tree)
    frame = tree[names[source.pick(names)]]
    seen = [i for i, t in enumerate(frame.get("tracked_time", [0] * len(frame["smpl"]))) if int(t) == 0]
    if not seen:
        raise source.fail("nobody was detected in this frame")
    height, width = (float(v) for v in np.asarray(frame["size"][seen[0]]).reshape(-1)[:2])
    size = source.image_size((width, height))
    smpl = [frame["smpl"][i] for i in seen if i < len(frame["smpl"])]
    if len(smpl) != len(seen) or len(frame["camera"]) <= max(seen):
        raise source.fail("lists of different length: smpl, camera and tracked_time")
    pose = np.concatenate([
        np.concatenate([rotations(source, s, "global_orient", 1, 1), rotations(source, s, "body_pose", 1, 21)], axis=1)
        for s in smpl
    ])  # fmt: skip
    transl = np.stack([np.asarray(frame["camera"][i], np.float32).reshape(3) for i in seen])
    focal = 5000.0 / 256.0 * float(size.max())
    points = None
    if "3d_joints" in frame:
        points = np.stack([np.asarray(frame["3d_joints"][i], np.float32).reshape(-1, 3)[:25] for i in seen])
        points = from_body25(points) + transl[:, None]
    return estimates(
        source, pose, size, np.full(2, focal), transl=transl, points=points,
        root=None if points is None else points[:, 0],
    )  # fmt: skip


def read_prompthmr(source: SourceInput) -> ImageEstimates:
    """PromptHMR on an image: intrinsics of the picture scaled and padded to a square."""
    fields = source.trees[0]
    rotmat = source.array(fields, "rotmat", (-1, 22, 3, 3))
    count = len(rotmat)
    k = source.array(fields, "cam_int", (-1, 3, 3))[0]
    size = source.image_size()
    scale = 2 * float(k[0, 2]) / float(size.max())
    offset = (2 * k[0, 2] - scale * size) / 2
    return estimates(
        source, axis_angle(rotmat), size, np.array([k[0, 0], k[1, 1]]) / scale, model="smplx",
        transl=source.array(fields, "transl", (count, 3)), principal=(k[:2, 2] - offset) / scale,
        betas=source.array(fields, "betas", (count, -1)),
    )  # fmt: skip


def read_prompthmr_video(source: SourceInput) -> ImageEstimates:
    """PromptHMR on a video: people by track, the camera-frame set alone."""
    tree = source.trees[0]
    people = tree["people"]
    frames = sorted({int(f) for p in people.values() for f in np.asarray(p["frames"]).reshape(-1)})
    frame = frames[source.pick(frames)]
    pose, transl = [], []
    for person in people.values():
        rows = np.flatnonzero(np.asarray(person["frames"]).reshape(-1) == frame)
        if len(rows):
            cam = person["smplx_cam"]
            total = len(np.asarray(person["frames"]).reshape(-1))
            pose.append(rotations(source, cam, "rotmat" if "rotmat" in cam else "pose", total, 22)[rows[0]])
            transl.append(source.array(cam, "trans", (-1, 3))[rows[0]])
    camera = tree["camera"]
    focal = float(source.array(camera, "img_focal").reshape(-1)[0])
    centre = source.array(camera, "img_center", (-1,))[:2]
    size = source.image_size(np.round(2 * centre))
    scale = float(size[0]) / (2 * float(centre[0]))
    return estimates(
        source, np.stack(pose), size, np.full(2, focal * scale), transl=np.stack(transl), model="smplx",
        principal=centre * scale,
    )  # fmt: skip


def read_multihmr(source: SourceInput) -> ImageEstimates:
    """Multi-HMR: `transl` is the head, `transl_pelvis` the pelvis; 60° over the longer side."""
    people = source.trees[0]
    pose = np.stack([source.array(p, "rotvec", (-1, 3))[:22] for p in people])
    size = source.image_size()
    focal, notes = source.assumed_focal(size, sixty_degrees(size), "60° over the longer side, Multi-HMR's default")
    if any("transl_pelvis" not in p for p in people):
        raise source.fail("field 'transl_pelvis' is missing ('transl' is the place of the head)")
    root = np.stack([source.array(p, "transl_pelvis", (3,)) for p in people])
    return estimates(source, pose, size, focal, root=root, model="smplx", notes=notes)


def read_nlf(source: SourceInput) -> ImageEstimates:
    """NLF: translation in metres, joints in millimetres; 55° over the longer side unless given."""
    fields = source.trees[0]
    joints = source.array(fields, "joints3d")
    joints = joints.reshape(-1, *joints.shape[-2:])
    count = len(joints)
    pose = rotations(source, fields, "pose", count, 22)
    size = source.image_size(fields.get("img_size"))
    if "focal_length" in fields and source.focal is None:
        focal: np.ndarray = np.full(2, source.array(fields, "focal_length").reshape(-1)[0])
        notes: tuple[str, ...] = ()
    else:
        usual = float(size.max()) / (2 * math.tan(math.radians(27.5)))
        focal, notes = source.assumed_focal(size, usual, "55° over the longer side, NLF's default")
    points = np.full((count, 33, 3), np.nan, np.float32)
    points[:, :22] = joints[:, :22] / 1000.0
    return estimates(
        source, pose, size, focal, root=points[:, 0], transl=source.array(fields, "trans", (count, 3)), points=points,
        model="smplx" if joints.shape[1] == 55 else "smpl", principal=(size - 1) / 2, notes=notes,
    )  # fmt: skip


def _one_camera(
    source: SourceInput, pose: np.ndarray, roots: np.ndarray, focals: np.ndarray, centres: np.ndarray, size: np.ndarray
) -> ImageEstimates:
    """People with a camera each brought to one: their pelvis keeps its pixel, their size in the image stays."""
    usual = sixty_degrees(size)
    focal, notes = source.assumed_focal(size, usual, "60° over the longer side; the people had a camera each")
    depth = roots[:, 2] * focal[0] / focals
    pixel = focals[:, None] * roots[:, :2] / roots[:, 2:] + centres
    root = np.concatenate([(pixel - size / 2) * depth[:, None] / focal[0], depth[:, None]], axis=1)
    return estimates(source, pose, size, focal, root=root, model="smplx", notes=notes)


def read_smplerx(source: SourceInput) -> ImageEstimates:
    """SMPLer-X: a parameter file and a camera file for each person."""
    from prosepose_jax.importing.containers import read_tree

    pose, roots, focals, centres = [], [], [], []
    for path, fields in zip(source.paths, source.trees, strict=True):
        meta_path = path.parent.parent / "meta" / f"{path.stem}.json"
        meta = read_tree(meta_path)
        pose.append(np.concatenate([source.array(fields, "global_orient", (1, 3)), source.array(fields, "body_pose", (21, 3))]))
        roots.append(source.array(fields, "transl", (3,)) + REST_PELVIS["smplx"])
        focals.append(source.array(meta, "focal", (-1,))[0])
        centres.append(source.array(meta, "princpt", (2,)))
    return _one_camera(source, *map(np.stack, (pose, roots, focals, centres)), source.image_size())


def read_osx(source: SourceInput) -> ImageEstimates:
    """OSX and relatives: one JSON a person, as SMPLer-X under other names."""
    pose, roots, focals, centres = [], [], [], []
    for tree in source.trees:
        fields, camera = tree["smplx_param"], tree["cam_param"]
        pose.append(np.concatenate([source.array(fields, "root_pose", (1, 3)), source.array(fields, "body_pose", (21, 3))]))
        roots.append(source.array(fields, "trans", (3,)) + REST_PELVIS["smplx"])
        focals.append(source.array(camera, "focal", (-1,))[0])
        centres.append(source.array(camera, "princpt", (2,)))
    return _one_camera(source, *map(np.stack, (pose, roots, focals, centres)), source.image_size())


def read_aios(source: SourceInput) -> ImageEstimates:
    """AiOS: focal length of the network's input, which is not stored."""
    pose, transl = [], []
    for tree in source.trees:
        p = tree["params"]
        pose.append(np.concatenate([source.array(p, "global_orient", (1, 3)), source.array(p, "body_pose", (21, 3))]))
        transl.append(source.array(p, "transl", (3,)))
    if source.focal is None:
        raise source.fail("an AiOS result: its focal length in the image is not stored; give it with --focal")
    return estimates(
        source, np.stack(pose), source.image_size(), np.full(2, source.focal), transl=np.stack(transl), model="smplx"
    )


def read_pymafx(source: SourceInput) -> ImageEstimates:
    """PyMAF-X: all frames and people in one; focal length 5000, SMPL pose."""
    fields = source.trees[0]
    pose = source.array(fields, "pose", (-1, 24, 3))[:, :22]
    frames = [int(f) for f in np.asarray(fields.get("frame_ids", np.zeros(len(pose)))).reshape(-1)]
    names = sorted(set(frames))
    rows = np.flatnonzero(np.array(frames) == names[source.pick(names)])
    size = source.image_size(fields.get("img_size"))
    focal = float(source.array(fields, "focal_length").reshape(-1)[0]) if "focal_length" in fields else 5000.0
    transl = source.array(fields, "orig_cam_t", (len(pose), 3))[rows]
    # `joints3d` is in SPIN's order and about the crop's camera: the pose and the translation say it all.
    return estimates(source, pose[rows], size, np.full(2, focal), transl=transl, model="smplx")


def read_wham(source: SourceInput) -> ImageEstimates:
    """WHAM: {track: arrays over frames}, the camera-frame set; focal length = image diagonal."""
    tracks = list(source.trees[0].values())
    frames = sorted({int(f) for t in tracks for f in np.asarray(t["frame_ids"]).reshape(-1)})
    frame = frames[source.pick(frames)]
    pose, transl = [], []
    for track in tracks:
        for row in np.flatnonzero(np.asarray(track["frame_ids"]).reshape(-1) == frame)[:1]:
            pose.append(source.array(track, "pose", (-1, 24, 3))[row, :22])
            transl.append(source.array(track, "trans", (-1, 3))[row])
    size = source.image_size()
    focal, notes = source.assumed_focal(size, diagonal(size), "the image's diagonal, WHAM's default")
    return estimates(source, np.stack(pose), size, focal, transl=np.stack(transl), notes=notes)


def read_gvhmr(source: SourceInput) -> ImageEstimates:
    """GVHMR: one person, all frames; the camera-frame set, SMPL-X in spite of the name."""
    fields = source.trees[0]["smpl_params_incam"]
    orient = source.array(fields, "global_orient", (-1, 1, 3))
    transl = source.array(fields, "transl", (len(orient), 3))
    body = source.array(fields, "body_pose", (len(orient), -1, 3))[:, :21]
    if "K_fullimg" not in source.trees[0]:
        raise source.fail("field 'K_fullimg' is missing: the camera of the whole image")
    k = source.array(source.trees[0], "K_fullimg", (-1, 3, 3))
    row = source.pick(range(len(orient)))
    k = k[min(row, len(k) - 1)]
    return estimates(
        source, np.concatenate([orient, body], axis=1)[row : row + 1], source.image_size(np.round(2 * k[:2, 2])),
        np.array([k[0, 0], k[1, 1]]), transl=transl[row : row + 1], model="smplx", principal=k[:2, 2],
    )  # fmt: skip


def read_tram(source: SourceInput) -> ImageEstimates:
    """TRAM: a file a track, `camera.npy` beside them."""
    tracks = [t for t in source.trees if "pred_rotmat" in t]
    camera = next((t for t in source.trees if "img_focal" in t), None)
    if not tracks:
        raise source.fail("no track (field 'pred_rotmat')")
    frames = sorted({int(f) for t in tracks for f in np.asarray(t["frame"]).reshape(-1)})
    frame = frames[source.pick(frames)]
    pose, transl = [], []
    for track in tracks:
        for row in np.flatnonzero(np.asarray(track["frame"]).reshape(-1) == frame)[:1]:
            pose.append(axis_angle(source.array(track, "pred_rotmat", (-1, 24, 3, 3))[row, :22]))
            transl.append(source.array(track, "pred_trans", (-1, 3))[row])
    fields = camera if camera is not None else tracks[0]
    principal = source.array(fields, "img_center", (-1,))[:2] if "img_center" in fields else None
    size = source.image_size(None if principal is None else np.round(2 * principal))
    notes: tuple[str, ...] = ()
    if "img_focal" in fields and source.focal is None:
        focal: np.ndarray = np.full(2, source.array(fields, "img_focal").reshape(-1)[0])
    else:
        focal, notes = source.assumed_focal(size, diagonal(size), "the image's diagonal; TRAM's is in camera.npy")
    return estimates(source, np.stack(pose), size, focal, transl=np.stack(transl), principal=principal, notes=notes)


def read_smplifyx(source: SourceInput) -> ImageEstimates:
    """SMPLify-X: one file a person, camera translation beside an untranslated body."""
    pose, transl = [], []
    for fields in source.trees:
        body = source.array(fields, "body_pose")
        if body.size != 63:
            raise source.fail(
                f"'body_pose' has {body.size} numbers: a VPoser latent, which needs the VPoser decoder; fit with "
                "use_vposer: False, or decode it and save 63 axis-angle numbers"
            )
        pose.append(np.concatenate([source.array(fields, "global_orient", (1, 3)), body.reshape(21, 3)]))
        own = source.array(fields, "transl", (3,)) if "transl" in fields else np.zeros(3, np.float32)
        transl.append(own + source.array(fields, "camera_translation", (3,)))
    size = source.image_size()
    focal, notes = source.assumed_focal(size, 5000.0, "SMPLify-X's default")
    return estimates(source, np.stack(pose), size, focal, transl=np.stack(transl), model="smplx", notes=notes)


def read_easymocap(source: SourceInput) -> ImageEstimates:
    """EasyMocap: the rotation is about the model's origin: pelvis = Th + Rh·j0."""
    people = source.trees[0]
    pose, roots = [], []
    for person in people:
        full = source.array(person, "poses", (-1,))
        turn = source.array(person, "Rh", (3,))
        model = "smpl" if full.size == 72 else "smplx"
        pose.append(np.concatenate([turn[None], full[3:66].reshape(21, 3)]))
        roots.append(source.array(person, "Th", (3,)) + matrix(turn) @ REST_PELVIS[model])
    size = source.image_size()
    focal, notes = source.assumed_focal(size, sixty_degrees(size), "60°; EasyMocap's is in intri.yml")
    return estimates(source, np.stack(pose), size, focal, root=np.stack(roots), notes=notes)
