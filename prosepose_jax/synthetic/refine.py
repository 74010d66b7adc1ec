"""Moves authored people until they touch where they should and nowhere go through each other.

A small optimiser of its own (the product's fit is what these scenes are to judge, so it plays no part):
momentum steps on orientation, pose and translation; touching spots pulled together, inside vertices pushed out,
feet on the floor, the pose kept near the authored one and inside joint limits. Nearest vertices are
searched without gradient every few steps on a fixed sample of the surface; signed depth is measured
along the nearest vertex's normal. One jit serves all scenes of a number of people.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from prosepose_jax.body.kinematics import pose_joints
from prosepose_jax.body.model import BodyModel, BodyParams

SURFACE_SAMPLES = 1300  # vertices per person that push and are pushed
TOUCH_SAMPLES = 56  # vertices per side of a touch
MAX_TOUCHES = 8
SEARCH_EVERY = 8
STEPS = 240


@struct.dataclass
class Surface:
    """A fixed sample of the body's surface, with rest normals. n samples."""

    ids: jax.Array  # (n,) int32 vertex ids
    normals: jax.Array  # (V, 3) rest normals of all vertices
    spacing: jax.Array  # (n,) m, how far each sample's neighbours are
    self_pairs: jax.Array  # (n, n) bool: far enough apart on the body that they must not overlap
    stiffness: jax.Array  # (21, 3) how much each body joint's axis resists leaving the authored pose


# Scenes are authored on the host and refined on the device: either library's arrays.
Array = Any


@struct.dataclass
class Touches:
    """What should touch in one scene, padded to MAX_TOUCHES."""

    person_a: Array  # (C,) int32
    person_b: Array  # (C,) int32
    ids_a: Array  # (C, A) int32 vertex ids
    ids_b: Array  # (C, A) int32
    weight: Array  # (C,) 0 on padding
    spread: Array  # (C,) share of side a that should lie on side b, 0..1
    grounded: Array  # (G, A) int32 vertex ids that should reach the floor
    grounded_person: Array  # (G,) int32
    grounded_weight: Array  # (G,)


@struct.dataclass
class Start:
    """The authored people of one scene, world frame (y up)."""

    global_orient: Array  # (P, 3)
    body_pose: Array  # (P, 21, 3)
    transl: Array  # (P, 3)
    betas: Array  # (P, B)
    left_hand_pose: Array  # (P, 15, 3) on top of the mean hand, kept as they are
    right_hand_pose: Array  # (P, 15, 3)


@dataclasses.dataclass(frozen=True)
class Touch:
    """One intended contact of a template: a spot of one person on a spot of another (or the same)."""

    person_a: int
    spot_a: str
    person_b: int
    spot_b: str
    spread: float = 0.25
    weight: float = 1.0
    required: bool = True  # whether a scene without it is refused


def rest_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit vertex normals, area weighted."""
    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.stack(
        [np.bincount(faces.ravel(), np.repeat(face_normals[:, k], 3), minlength=len(vertices)) for k in range(3)], 1
    )
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def farthest_points(points: np.ndarray, count: int, first: int = 0) -> np.ndarray:
    """Indices of `count` points spread evenly (farthest-point sampling)."""
    chosen = np.empty(min(count, len(points)), np.int64)
    distance = np.full(len(points), np.inf)
    current = first
    for i in range(len(chosen)):
        chosen[i] = current
        distance = np.minimum(distance, np.sum((points - points[current]) ** 2, axis=1))
        current = int(np.argmax(distance))
    return chosen


def surface_geodesics(points: np.ndarray, neighbours: int = 8, reach: float = 0.07) -> np.ndarray:
    """(n, n) distances along the surface of a T-posed sample: shortest paths over near neighbours.

    The T-pose keeps limbs apart, so near in space means near on the surface.
    """
    n = len(points)
    squared = np.sum((points[:, None] - points[None]) ** 2, axis=-1)
    order = np.argsort(squared, axis=1)[:, 1 : neighbours + 1]
    paths = np.full((n, n), np.inf, np.float32)
    rows = np.repeat(np.arange(n), neighbours)
    near = np.sqrt(squared[rows, order.ravel()]).astype(np.float32)
    keep = near < reach
    paths[rows[keep], order.ravel()[keep]] = near[keep]
    paths = np.minimum(paths, paths.T)
    np.fill_diagonal(paths, 0.0)
    for k in range(n):  # Floyd-Warshall; n is about a thousand
        np.minimum(paths, paths[:, k, None] + paths[None, k], out=paths)
    return paths


def body_joint_of_vertices(body: BodyModel) -> np.ndarray:
    """(V,) body joint 0-21 that moves each vertex most; hands count to the wrist, face to the head."""
    owner = np.arange(body.num_joints)
    for j in range(22, body.num_joints):
        owner[j] = owner[body.parents[j]]
    weights = np.zeros((body.num_vertices, 22), np.float32)
    full = np.asarray(body.skin_weights)
    for j in range(body.num_joints):
        weights[:, owner[j]] += full[:, j]
    return weights.argmax(axis=1)


def _tree_distance(parents: Sequence[int]) -> np.ndarray:
    distance = np.full((22, 22), 99)
    np.fill_diagonal(distance, 0)
    for j in range(1, 22):
        distance[j, parents[j]] = distance[parents[j], j] = 1
    for k in range(22):
        distance = np.minimum(distance, distance[:, k, None] + distance[None, k])
    return distance


def make_surface(body: BodyModel, samples: int = SURFACE_SAMPLES) -> Surface:
    """Prepares a body for refining: surface sample, normals, which sample pairs may not overlap."""
    template = np.asarray(body.v_template)
    normals = rest_normals(template, np.asarray(body.faces))
    # Fingers and hands are thin: they get a denser sample, or a palm could slip through a back unseen.
    owner = body_joint_of_vertices(body)
    scaled = template * np.where(np.isin(owner, (20, 21)), 2.6, 1.0)[:, None]
    head = owner == 15
    scaled = np.where(head[:, None], template * 0.8 + template[head].mean(0) * 0.2, scaled)
    ids = np.sort(farthest_points(scaled, samples, first=int(np.argmax(template[:, 1]))))
    geodesic = surface_geodesics(template[ids])
    between = np.sqrt(np.sum((template[ids][:, None] - template[ids][None]) ** 2, axis=-1))
    spacing = np.sort(between, axis=1)[:, 3]
    apart = _tree_distance(body.parents)[owner[ids][:, None], owner[ids][None]] > 2
    height = float(np.ptp(template[:, 1]))
    pairs = apart & (geodesic > 0.13 * height)
    return Surface(
        ids=jnp.asarray(ids, jnp.int32),
        normals=jnp.asarray(normals, jnp.float32),
        spacing=jnp.asarray(spacing, jnp.float32),
        self_pairs=jnp.asarray(pairs),
        stiffness=jnp.asarray(_stiffness(), jnp.float32),
    )


def _stiffness() -> np.ndarray:
    k = np.ones((21, 3))
    for j in (3, 6, 9):
        k[j - 1] = 8.0
    k[12 - 1] = k[15 - 1] = 2.0
    k[13 - 1] = k[14 - 1] = 6.0
    k[1 - 1] = k[2 - 1] = 3.0
    k[16 - 1] = k[17 - 1] = 1.5
    for j in (4, 5):
        k[j - 1] = [0.7, 12.0, 12.0]  # knees bend about x only
    for j in (18, 19):
        k[j - 1] = [2.0, 0.6, 12.0]  # elbows about y, twist about x
    for j in (20, 21):
        k[j - 1] = [4.0, 4.0, 3.0]
    for j in (7, 8):
        k[j - 1] = 3.0
    for j in (10, 11):
        k[j - 1] = 12.0
    return k


def start_params(start: Start, **changed: jax.Array) -> BodyParams:
    """Full body parameters of the people of one scene (leaves without a scene axis)."""
    people, betas = start.betas.shape
    given = {f.name: getattr(start, f.name) for f in dataclasses.fields(start)}
    return dataclasses.replace(BodyParams.zeros(people, betas, 0), **{**given, **changed})


def _squared_distances(a: jax.Array, b: jax.Array) -> jax.Array:
    """(n, m) squared distances through the matrix product: only to find the nearest, so rounding is fine."""
    return jnp.sum(a * a, -1)[:, None] + jnp.sum(b * b, -1)[None] - 2.0 * a @ b.T


def _nearest_column(squared: jax.Array) -> jax.Array:
    """Column of the smallest number of each row (n, m), the first of equals.

    As `argmin`, whose reduction of pairs XLA doesn't vectorise on the CPU; two plain minima are much faster.
    """
    squared = jax.lax.optimization_barrier(squared)  # computed once, or equal numbers might differ by rounding
    smallest = jnp.min(squared, axis=1, keepdims=True)
    columns = jnp.arange(squared.shape[1], dtype=jnp.int32)
    return jnp.min(jnp.where(squared == smallest, columns[None], squared.shape[1] - 1), axis=1)


def _variables(start: Start) -> dict[str, jax.Array]:
    return {"orient": start.global_orient, "pose": start.body_pose, "transl": start.transl}


def _refine_one(body: BodyModel, surface: Surface, start: Start, touches: Touches, steps: int) -> dict[str, jax.Array]:
    people = start.betas.shape[0]
    c, a = touches.ids_a.shape
    groups = jnp.concatenate([touches.ids_a, touches.ids_b, touches.grounded])  # (2C + G, A)
    group_person = jnp.concatenate([touches.person_a, touches.person_b, touches.grounded_person])
    betas = start.betas
    shaped = jax.vmap(lambda beta: body.v_template + body.shape_dirs[..., : beta.shape[-1]] @ beta)(betas)
    surface_rest, surface_weights = shaped[:, surface.ids], body.skin_weights[surface.ids]
    surface_normals = surface.normals[surface.ids]
    group_rest, group_weights = shaped[group_person[:, None], groups], body.skin_weights[groups]

    def place(variables: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Posed surface samples and their normals (P, n, 3), posed touch groups (2C + G, A, 3)."""
        params = start_params(
            start, global_orient=variables["orient"], body_pose=variables["pose"], transl=variables["transl"]
        )
        _, transforms, rotations = jax.vmap(lambda p: pose_joints(body, p))(params)
        surface_now, groups_now = surface_rest, group_rest
        if body.pose_dirs is not None:
            feature = (rotations[:, 1:] - jnp.eye(3)[None, None]).reshape(people, -1)
            surface_now = surface_now + jnp.einsum("vck,pk->pvc", body.pose_dirs[surface.ids], feature)
            groups_now = groups_now + jnp.einsum("gvck,gk->gvc", body.pose_dirs[groups], feature[group_person])

        def skinned(transforms: jax.Array, weights: jax.Array, rest: jax.Array) -> tuple[jax.Array, jax.Array]:
            blended = (weights @ transforms.reshape(-1, 12)).reshape(-1, 3, 4)
            return jnp.sum(blended[..., :3] * rest[:, None, :], axis=-1) + blended[..., 3], blended[..., :3]

        points, turned = jax.vmap(skinned, in_axes=(0, None, 0))(transforms, surface_weights, surface_now)
        normals = jnp.sum(turned * surface_normals[None, :, None, :], axis=-1)
        normals = normals / (jnp.linalg.norm(normals, axis=-1, keepdims=True) + 1e-9)
        grouped, _ = jax.vmap(skinned)(transforms[group_person], group_weights, groups_now)
        return points, normals, grouped

    pairs = [(i, j) for i in range(people) for j in range(people)]

    def search(variables: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """Nearest vertex of j for each sample of i (own far parts when i is j); nearest b for each touch a."""
        surfaces, _, grouped = place(variables)
        nearest = []
        for i, j in pairs:
            squared = _squared_distances(surfaces[i], surfaces[j])
            if i == j:
                squared = jnp.where(surface.self_pairs, squared, jnp.inf)
            nearest.append(_nearest_column(squared))
        side_a, side_b = grouped[:c], grouped[c : 2 * c]
        closest = jnp.argmin(jax.vmap(_squared_distances)(side_a, side_b), axis=-1)
        return jnp.stack(nearest), closest

    def loss(variables: dict[str, jax.Array], nearest: jax.Array, closest: jax.Array, progress: jax.Array) -> jax.Array:
        surfaces, normals, grouped = place(variables)
        # Contacts settle first, then overlaps are pushed out: the other way round limbs flee to the wrong side.
        ramp = jnp.clip(1.5 * progress, 0.0, 1.0)
        tightness = jnp.clip(2.0 * progress - 0.8, 0.0, 1.0)
        total = jnp.zeros(())
        for index, (i, j) in enumerate(pairs):
            other = surfaces[j][nearest[index]]
            other_normal = normals[j][nearest[index]]
            offset = surfaces[i] - other
            depth = -jnp.sum(offset * other_normal, axis=-1)
            reach = 0.05 if i == j else 0.14
            squared = jnp.sum(offset * offset, axis=-1)
            # Behind the nearest vertex's plane counts as inside only where the vertex is nearly straight above:
            # beside a finger or an edge the plane says nothing.
            sideways = squared - depth * depth
            limit = 0.8 * surface.spacing[nearest[index]] + 0.5 * jax.nn.relu(depth)
            close = (squared < reach**2) & (sideways < limit * limit)
            if i == j:
                close = close & jnp.any(surface.self_pairs, axis=1)
            inside = jnp.where(close, jax.nn.relu(depth - 0.001), 0.0)
            total = total + (300.0 + 3500.0 * ramp) * jnp.sum(inside**2) + 12.0 * tightness * jnp.sum(inside)
        side_a, side_b, floor = grouped[:c], grouped[c : 2 * c], grouped[2 * c :]
        target = jnp.take_along_axis(side_b, closest[..., None], axis=1)
        squared = jnp.sum((side_a - target) ** 2, axis=-1)  # (C, A)
        gap = jnp.sqrt(squared + 1e-7)
        # The nearest share of side a should lie on side b, its single nearest vertex exactly.
        ranked = jnp.sort(gap, axis=-1)
        wanted = jnp.arange(a)[None] < jnp.maximum(touches.spread[:, None] * a, 1.0)
        mean_gap = jnp.sum(jnp.where(wanted, ranked, 0.0), -1) / jnp.sum(wanted, -1)
        total = total + jnp.sum(touches.weight * (25.0 * (1.0 + 9.0 * tightness) * ranked[:, 0] + 18.0 * mean_gap))
        low = jnp.min(floor[..., 1], axis=-1)
        total = total + jnp.sum(touches.grounded_weight * 2000.0 * low**2)
        total = total + 300.0 * jnp.sum(jax.nn.relu(-surfaces[..., 1]) ** 2)
        turned = variables["pose"] - start.body_pose
        total = total + 3.0 * jnp.sum(surface.stiffness[None] * turned**2)
        total = total + 25.0 * jnp.sum((variables["orient"] - start.global_orient) ** 2)
        total = total + 25.0 * jnp.sum((variables["transl"] - start.transl) ** 2)
        return total + 60.0 * jnp.sum(jax.nn.relu(limit_excess(variables["pose"])) ** 2)

    blocks = steps // SEARCH_EVERY
    # One step size per kind of variable and person, not per number as in Adam: joints that matter move, the
    # others stay. Dividing by the stiffness measures steps as the "stay near" term does.
    rates = {"orient": 0.004, "pose": 0.006, "transl": 0.003}
    metric = {"orient": jnp.ones((1, 3)), "pose": surface.stiffness[None], "transl": jnp.ones((1, 3))}
    variables = _variables(start)
    state = _Momentum(
        {k: jnp.zeros_like(v) for k, v in variables.items()},
        {k: jnp.zeros((people,)) for k in variables},
        jnp.zeros(()),
    )

    def block(carry: tuple[dict[str, jax.Array], _Momentum], index: jax.Array):
        nearest, closest = search(carry[0])
        progress = index / blocks

        def step(carry, _):
            variables, state = carry
            gradient = jax.grad(loss)(variables, nearest, closest, progress)
            gradient = {k: g / metric[k] for k, g in gradient.items()}
            state = _momentum(state, gradient)
            decay = 0.5 * (1.0 + jnp.cos(jnp.pi * state.count / steps)) * 0.98 + 0.02
            size = {
                k: decay * rates[k] / (jnp.sqrt(v / _debias(0.98, state.count)) + 1e-6) for k, v in state.square.items()
            }
            mean = {k: m / _debias(0.8, state.count) for k, m in state.mean.items()}
            variables = {k: v - _over_people(size[k], v) * mean[k] for k, v in variables.items()}
            return (variables, state), None

        return jax.lax.scan(step, carry, None, length=SEARCH_EVERY)[0], None

    (variables, _), _ = jax.lax.scan(block, (variables, state), jnp.arange(blocks))
    return variables


@struct.dataclass
class _Momentum:
    """Running means of the gradient and, per person and kind of variable, of its mean square."""

    mean: dict[str, jax.Array]
    square: dict[str, jax.Array]  # (P,)
    count: jax.Array


def _momentum(state: _Momentum, gradient: dict[str, jax.Array]) -> _Momentum:
    square = {k: jnp.mean(g.reshape(g.shape[0], -1) ** 2, axis=1) for k, g in gradient.items()}
    return _Momentum(
        {k: 0.8 * state.mean[k] + 0.2 * g for k, g in gradient.items()},
        {k: 0.98 * state.square[k] + 0.02 * s for k, s in square.items()},
        state.count + 1.0,
    )


def _debias(decay: float, count: jax.Array) -> jax.Array:
    return 1.0 - decay**count


def _over_people(values: jax.Array, like: jax.Array) -> jax.Array:
    return values.reshape(-1, *([1] * (like.ndim - 1)))


def limit_excess(pose: jax.Array) -> jax.Array:
    """How far hinges go past straight or fully bent, wrists past 75°, radians; (P, k), negative inside."""
    left_elbow, right_elbow = pose[:, 17, 1], pose[:, 18, 1]
    left_knee, right_knee = pose[:, 3, 0], pose[:, 4, 0]
    elbow = jnp.stack([-left_elbow, right_elbow], -1)  # flexion
    knee = jnp.stack([left_knee, right_knee], -1)
    wrist = pose[:, 19:21].reshape(pose.shape[0], -1)
    return jnp.concatenate(
        [0.05 - elbow, elbow - 2.55, 0.0 - knee, knee - 2.6, jnp.abs(wrist) - 1.2], axis=-1
    )  # fmt: skip


@functools.partial(jax.jit, static_argnames=("steps",))
def _refine_all(body: BodyModel, surface: Surface, starts: Start, touches: Touches, steps: int):
    return jax.lax.map(lambda x: _refine_one(body, surface, x[0], x[1], steps), (starts, touches))


def pack_touches(
    body: BodyModel,
    spots: dict[str, np.ndarray],
    touches: Sequence[Touch],
    grounded: Sequence[tuple[int, str]],
    max_grounded: int = 8,
) -> Touches:
    """The padded arrays of one scene's intended contacts.

    Args:
      body: the body model.
      spots: vertex ids of each spot.
      touches: intended contacts, at most MAX_TOUCHES.
      grounded: (person, spot) that should reach the floor.
      max_grounded: padding of grounded.
    """
    template = np.asarray(body.v_template)

    def sample(name: str) -> np.ndarray:
        ids = spots[name]
        picked = ids[farthest_points(template[ids], TOUCH_SAMPLES)] if len(ids) > TOUCH_SAMPLES else ids
        return np.resize(picked, TOUCH_SAMPLES)

    c, a = MAX_TOUCHES, TOUCH_SAMPLES
    arrays: dict[str, Any] = {
        "person_a": np.zeros(c, np.int32),
        "person_b": np.zeros(c, np.int32),
        "ids_a": np.zeros((c, a), np.int32),
        "ids_b": np.zeros((c, a), np.int32),
        "weight": np.zeros(c, np.float32),
        "spread": np.zeros(c, np.float32),
        "grounded": np.zeros((max_grounded, a), np.int32),
        "grounded_person": np.zeros(max_grounded, np.int32),
        "grounded_weight": np.zeros(max_grounded, np.float32),
    }
    for i, touch in enumerate(touches):
        arrays["person_a"][i], arrays["person_b"][i] = touch.person_a, touch.person_b
        arrays["ids_a"][i], arrays["ids_b"][i] = sample(touch.spot_a), sample(touch.spot_b)
        arrays["weight"][i], arrays["spread"][i] = touch.weight, touch.spread
    for i, (person, spot) in enumerate(grounded):
        arrays["grounded"][i], arrays["grounded_person"][i], arrays["grounded_weight"][i] = sample(spot), person, 1.0
    return Touches(**arrays)


def refine(body: BodyModel, surface: Surface, starts: Start, touches: Touches, steps: int = STEPS) -> Start:
    """Refines a batch of scenes (leading axis S on every leaf of starts and touches)."""
    done = _refine_all(body, surface, starts, touches, steps)
    return dataclasses.replace(starts, global_orient=done["orient"], body_pose=done["pose"], transl=done["transl"])
