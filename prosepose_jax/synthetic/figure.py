"""Posing a person in anatomical terms, before any optimisation.

A `Figure` is one person's skeleton in the world frame (x to the side, y up, z, metres, floor at y = 0).
Templates bend the spine, aim limbs along directions or put hands and feet at places (two-bone inverse
kinematics); elbows and knees turn only about their hinge, the twist of the forearm is shared between
elbow and wrist, collars follow raised arms. The result is SMPL-X axis-angle pose.

Plain numpy on the host: a template runs once per scene.
"""

from __future__ import annotations

import dataclasses

import numpy as np

PELVIS, SPINE1, SPINE2, SPINE3, NECK, HEAD = 0, 3, 6, 9, 12, 15
_HIP, _KNEE, _ANKLE, _TOE = (
    {"left": 1, "right": 2},
    {"left": 4, "right": 5},
    {"left": 7, "right": 8},
    {"left": 10, "right": 11},
)
_COLLAR, _SHOULDER = {"left": 13, "right": 14}, {"left": 16, "right": 17}
_ELBOW, _WRIST = {"left": 18, "right": 19}, {"left": 20, "right": 21}
_MIDDLE_FINGER = {"left": 28, "right": 43}
SIDES = ("left", "right")

# How the bend of the back and of the neck is shared between their joints.
_SPINE_SHARE = {SPINE1: 0.35, SPINE2: 0.35, SPINE3: 0.3}
_NECK_SHARE = {NECK: 0.45, HEAD: 0.55}
_COLLAR_SHARE, _COLLAR_LIMIT = 0.22, np.radians(28.0)
_FOREARM_TWIST_LIMIT = np.radians(85.0)
_WRIST_LIMIT = np.radians(60.0)
_ANKLE_LIMIT = np.radians(50.0)
_NEAR_HALF_TURN = 0.05  # radians

X, Y, Z = np.eye(3)


def unit(v: np.ndarray) -> np.ndarray:
    """v divided by its length."""
    v = np.asarray(v, float)
    return v / max(np.linalg.norm(v), 1e-9)


def _length(v: np.ndarray) -> float:
    return float(np.linalg.norm(v))


def rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """(3, 3) rotation about a unit axis by an angle in radians."""
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def swing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotation that takes direction a to direction b."""
    a, b = unit(a), unit(b)
    axis = np.cross(a, b)
    s, c = np.linalg.norm(axis), float(a @ b)
    if s < 1e-8:
        if c > 0:
            return np.eye(3)
        other = unit(np.cross(a, X if abs(a[0]) < 0.9 else Y))
        return rotation(other, np.pi)
    return rotation(axis / s, np.arctan2(s, c))


def to_axis_angle(matrix: np.ndarray) -> np.ndarray:
    """Rotation vector of a (3, 3) rotation matrix."""
    angle = np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1))
    if angle < 1e-7:
        return np.zeros(3)
    axis = np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]])
    if angle > np.pi - _NEAR_HALF_TURN:
        # The trace is flat here and the antisymmetric part vanishes: a matrix in single precision would be read tens
        # of degrees off. The symmetric part is cos I + (1 - cos) a a^T: the axis from there, the angle from the sine.
        outer = (matrix + matrix.T) / 2 - np.cos(angle) * np.eye(3)
        along = unit(outer[:, np.argmax(np.diag(outer))])
        half_sin = float(axis @ along) / 2
        return along * (np.pi - np.arcsin(min(abs(half_sin), 1.0))) * (1.0 if half_sin >= 0 else -1.0)
    return axis / (2 * np.sin(angle)) * angle


def limited(matrix: np.ndarray, limit: float) -> np.ndarray:
    """The same rotation with its angle cut at limit (radians)."""
    vector = to_axis_angle(matrix)
    angle = np.linalg.norm(vector)
    return matrix if angle <= limit else rotation(vector / angle, limit)


def _frame(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Right-handed frame (columns) with the first axis along x and the second near y."""
    x = unit(x)
    y = unit(y - (y @ x) * x)
    return np.stack([x, y, np.cross(x, y)], axis=1)


@dataclasses.dataclass
class Shape:
    """What posing needs to know of one shaped body in rest pose."""

    joints: np.ndarray  # (J, 3) rest joints
    parents: tuple[int, ...]
    spots: dict[str, tuple[np.ndarray, np.ndarray, int]]  # name -> centre, mean normal, joint it moves with
    sole_drop: float  # ankle height over the sole, m
    height: float = 0.0  # of the whole body standing, m

    @property
    def leg_length(self) -> float:
        j = self.joints
        return float(np.linalg.norm(j[4] - j[1]) + np.linalg.norm(j[7] - j[4]))

    @property
    def arm_length(self) -> float:
        """Shoulder to wrist."""
        j = self.joints
        return float(np.linalg.norm(j[18] - j[16]) + np.linalg.norm(j[20] - j[18]))

    @property
    def trunk_length(self) -> float:
        """Pelvis to neck."""
        return float(np.linalg.norm(self.joints[NECK] - self.joints[PELVIS]))


class Figure:
    """One person being posed. Angles in degrees, positions and directions in the world frame."""

    def __init__(self, shape: Shape):
        self.shape = shape
        self.local = np.tile(np.eye(3), (22, 1, 1))
        self.pelvis = np.zeros(3)  # position of the pelvis joint
        self.hands = {side: np.zeros((15, 3)) for side in SIDES}  # joint rotations of the fingers, axis-angle
        for side in SIDES:
            self.hand(side)
        self.place()

    # ---- reading -------------------------------------------------------------------------------------------

    def frames(self) -> tuple[np.ndarray, np.ndarray]:
        """Global rotations (22, 3, 3) and positions (22, 3) of the body joints."""
        rest, parents = self.shape.joints, self.shape.parents
        rotations = np.empty((22, 3, 3))
        positions = np.empty((22, 3))
        rotations[0], positions[0] = self.local[0], self.pelvis
        for j in range(1, 22):
            p = parents[j]
            rotations[j] = rotations[p] @ self.local[j]
            positions[j] = positions[p] + rotations[p] @ (rest[j] - rest[p])
        return rotations, positions

    def joint(self, index: int) -> np.ndarray:
        return self.frames()[1][index]

    def spot(self, name: str, out: float = 0.0) -> np.ndarray:
        """World position of a spot's centre, `out` metres off the surface."""
        rotations, positions = self.frames()
        centre, normal, joint = self.shape.spots[name]
        return positions[joint] + rotations[joint] @ (centre + out * normal - self.shape.joints[joint])

    def spot_normal(self, name: str) -> np.ndarray:
        rotations, _ = self.frames()
        _, normal, joint = self.shape.spots[name]
        return rotations[joint] @ normal

    def direction(self, forward: float = 0.0, up: float = 0.0, left: float = 0.0, frame: int = 0) -> np.ndarray:
        """Unit world direction from components in a joint's frame (0: the pelvis)."""
        rotations, _ = self.frames()
        return unit(rotations[frame] @ np.array([left, up, forward]))

    def heading(self, forward: float = 0.0, up: float = 0.0, left: float = 0.0) -> np.ndarray:
        """Unit world direction relative to where the person faces, level with the floor."""
        yaw = rotation(Y, np.radians(self.facing))
        return unit(yaw @ np.array([left, up, forward]))

    # ---- trunk ---------------------------------------------------------------------------------------------

    def place(
        self,
        x: float = 0.0,
        z: float = 0.0,
        facing: float = 0.0,
        height: float | None = None,
        pitch: float = 0.0,
        roll: float = 0.0,
    ) -> Figure:
        """Puts the pelvis; facing 0 looks along +z, 90 along +x; pitch leans forward, roll to the left."""
        self.facing = facing
        if height is None:
            height = self.shape.leg_length * 0.985 + self.shape.sole_drop - self._hip_drop()
        self.pelvis = np.array([x, height, z])
        self.local[0] = (
            rotation(Y, np.radians(facing)) @ rotation(X, np.radians(pitch)) @ rotation(Z, -np.radians(roll))
        )
        return self

    def _hip_drop(self) -> float:
        j = self.shape.joints
        return float((j[1, 1] + j[2, 1]) / 2 - j[0, 1])

    def spine(self, bend: float = 0.0, side: float = 0.0, turn: float = 0.0) -> Figure:
        """Bends the back forward, to the left side, and turns it to the left."""
        return self._shared(_SPINE_SHARE, bend, side, turn)

    def head(self, nod: float = 0.0, side: float = 0.0, turn: float = 0.0) -> Figure:
        """Nods the head (down positive), tilts it to the left shoulder, turns it to the left."""
        return self._shared(_NECK_SHARE, nod, side, turn)

    def _shared(self, shares: dict[int, float], bend: float, side: float, turn: float) -> Figure:
        for j, share in shares.items():
            b, s, t = np.radians([bend, side, turn]) * share
            self.local[j] = rotation(Y, t) @ rotation(X, b) @ rotation(Z, -s)
        return self

    # ---- arms ----------------------------------------------------------------------------------------------

    def arm(
        self,
        side: str,
        upper: np.ndarray,
        fore: np.ndarray | None = None,
        palm: np.ndarray | None = None,
        fingers: np.ndarray | None = None,
    ) -> Figure:
        """Aims the upper arm and the forearm along directions; the palm's normal and the fingers if given."""
        rest = self.shape.joints
        s, e, w = _SHOULDER[side], _ELBOW[side], _WRIST[side]
        fore = upper if fore is None else fore
        upper, fore = unit(upper), unit(fore)
        rest_upper, rest_fore = unit(rest[e] - rest[s]), unit(rest[w] - rest[e])
        chest = self.frames()[0][SPINE3]
        collar = limited(swing(rest_upper, chest.T @ upper), np.inf)
        vector = to_axis_angle(collar) * _COLLAR_SHARE
        angle = float(np.linalg.norm(vector))
        self.local[_COLLAR[side]] = rotation(vector / max(angle, 1e-9), float(min(angle, _COLLAR_LIMIT)))
        parent = chest @ self.local[_COLLAR[side]]
        rest_hinge = unit(np.cross(rest_upper, Z))
        hinge = np.cross(upper, fore)
        natural = parent @ swing(rest_upper, parent.T @ upper) @ rest_hinge  # where the hinge goes untwisted
        bent = np.linalg.norm(hinge)
        blend = np.clip((bent - 0.05) / 0.25, 0.0, 1.0)  # a nearly straight arm keeps its natural twist
        hinge = unit(blend * unit(hinge) + (1 - blend) * natural) if bent > 1e-6 else natural
        shoulder = _frame(upper, hinge) @ _frame(rest_upper, rest_hinge).T
        self.local[s] = parent.T @ shoulder
        elbow = swing(rest_fore, shoulder.T @ fore)
        twist = 0.0
        if palm is not None:
            rest_palm = self._rest_palm(side)
            flat = shoulder @ elbow @ rest_palm
            a = unit(flat - (flat @ fore) * fore)
            b = unit(palm - (palm @ fore) * fore)
            twist = np.arctan2(np.cross(a, b) @ fore, a @ b)
            twist = float(np.clip(twist, -_FOREARM_TWIST_LIMIT, _FOREARM_TWIST_LIMIT))
        half = rotation(rest_fore, twist / 2)
        self.local[e] = elbow @ half
        wrist = half
        if fingers is not None:
            rest_fingers = unit(rest[_MIDDLE_FINGER[side]] - rest[w])
            now = shoulder @ self.local[e] @ wrist
            turn = limited(swing(rest_fingers, now.T @ unit(fingers)), _WRIST_LIMIT)
            wrist = wrist @ turn
            if palm is not None:  # what is left of the palm's direction, by turning about the fingers
                now = shoulder @ self.local[e] @ wrist
                along = now @ rest_fingers
                flat = now @ self._rest_palm(side)
                a, b = unit(flat - (flat @ along) * along), unit(palm - (palm @ along) * along)
                rest_twist = float(np.clip(np.arctan2(np.cross(a, b) @ along, a @ b), -0.5, 0.5))
                wrist = wrist @ rotation(rest_fingers, rest_twist)
        self.local[w] = wrist
        return self

    def hand(self, side: str, curl: float = 7.0, thumb: float = 38.0) -> Figure:
        """Curls every finger joint towards the palm; swings the thumb from below the palm into its plane."""
        sign = 1.0 if side == "left" else -1.0
        pose = np.zeros((15, 3))
        pose[:12, 2] = -sign * np.radians(curl)  # index, middle, little, ring: flexion about the T-pose's z
        pose[12, 0] = -np.radians(thumb)
        self.hands[side] = pose
        return self

    def _rest_palm(self, side: str) -> np.ndarray:
        return self.shape.spots[f"{side} palm"][1]

    def reach(
        self,
        side: str,
        target: np.ndarray,
        elbow: np.ndarray,
        palm: np.ndarray | None = None,
        fingers: np.ndarray | None = None,
        hand: bool = True,
    ) -> Figure:
        """Puts the palm (or the wrist, hand=False) at a place, the elbow towards a direction.

        A hand that reaches along `fingers` needs its wrist some centimetres behind the target; that is done here.
        """
        rest = self.shape.joints
        s, e, w = _SHOULDER[side], _ELBOW[side], _WRIST[side]
        hand_length = np.linalg.norm(rest[_MIDDLE_FINGER[side]] - rest[w]) if hand else 0.0
        goal = np.asarray(target, float)
        for attempt in range(3):  # the collar follows the upper arm, which moves the shoulder a little
            shoulder = self.joint(s)
            ahead = unit(fingers) if fingers is not None else unit(goal - shoulder)
            if hand and fingers is None and attempt > 0:
                positions = self.frames()[1]
                ahead = unit(positions[w] - positions[e])
            wrist = goal - hand_length * 0.6 * ahead
            up, fore = two_bones(shoulder, wrist, _length(rest[e] - rest[s]), _length(rest[w] - rest[e]), elbow)
            self.arm(side, up, fore, palm, fingers)
        return self

    # ---- legs ----------------------------------------------------------------------------------------------

    def leg(
        self,
        side: str,
        thigh: np.ndarray,
        shin: np.ndarray | None = None,
        knee: np.ndarray | None = None,
        toes: np.ndarray | None = None,
        sole: np.ndarray | None = None,
    ) -> Figure:
        """Aims the thigh and the shin; `knee` says where the kneecap looks when the leg is nearly straight."""
        rest = self.shape.joints
        h, k, a = _HIP[side], _KNEE[side], _ANKLE[side]
        shin = thigh if shin is None else shin
        thigh, shin = unit(thigh), unit(shin)
        rest_thigh, rest_shin = unit(rest[k] - rest[h]), unit(rest[a] - rest[k])
        rest_hinge = unit(np.cross(rest_thigh, -Z))
        pelvis = self.local[0]
        knee = self.heading(forward=1) if knee is None else np.asarray(knee, float)
        natural = unit(np.cross(knee, thigh))
        hinge = np.cross(thigh, shin)
        bent = np.linalg.norm(hinge)
        blend = np.clip((bent - 0.05) / 0.25, 0.0, 1.0)
        hinge = unit(blend * unit(hinge) + (1 - blend) * natural) if bent > 1e-6 else natural
        hip = _frame(thigh, hinge) @ _frame(rest_thigh, rest_hinge).T
        self.local[h] = pelvis.T @ hip
        self.local[k] = swing(rest_shin, hip.T @ shin)
        now = hip @ self.local[k]
        if toes is not None:
            sole = -Y if sole is None else unit(sole)
            toes = unit(toes - (toes @ sole) * sole)
            foot = _frame(toes, -sole) @ _frame(Z, Y).T
            self.local[a] = limited(now.T @ foot, _ANKLE_LIMIT)
        else:
            self.local[a] = np.eye(3)
        return self

    def step(
        self,
        side: str,
        forward: float = 0.0,
        out: float = 0.0,
        toe_out: float = 8.0,
        height: float = 0.0,
        knee: np.ndarray | None = None,
    ) -> Figure:
        """Stands a foot flat on the floor, relative to the place under the hip (metres)."""
        sign = 1.0 if side == "left" else -1.0
        hip = self.joint(_HIP[side])
        yaw = rotation(Y, np.radians(self.facing))
        goal = hip + yaw @ np.array([sign * out, 0.0, forward])
        goal[1] = self.shape.sole_drop + height
        toes = yaw @ rotation(Y, sign * np.radians(toe_out)) @ Z
        return self.plant(side, goal, toes, toes if knee is None else knee)

    def plant(
        self, side: str, ankle: np.ndarray, toes: np.ndarray | None, knee: np.ndarray, sole: np.ndarray | None = None
    ) -> Figure:
        """Puts the ankle at a place, the knee towards a direction."""
        rest = self.shape.joints
        h, k, a = _HIP[side], _KNEE[side], _ANKLE[side]
        thigh, shin = two_bones(self.joint(h), ankle, _length(rest[k] - rest[h]), _length(rest[a] - rest[k]), knee)
        return self.leg(side, thigh, shin, knee, toes, sole)

    def stand(self, width: float = 0.0, toe_out: float = 8.0, stride: float = 0.0) -> Figure:
        """Both feet flat on the floor; `width` moves each foot outward, `stride` the left one forward."""
        self.step("left", stride / 2, width, toe_out)
        self.step("right", -stride / 2, width, toe_out)
        return self

    # ---- result --------------------------------------------------------------------------------------------

    def parameters(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Global orientation (3,), body pose (21, 3) and SMPL-X translation (3,) in the world frame."""
        pose = np.stack([to_axis_angle(m) for m in self.local])
        return pose[0], pose[1:], self.pelvis - self.shape.joints[PELVIS]


def two_bones(
    start: np.ndarray, end: np.ndarray, first: float, second: float, pole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Directions of two bones of given lengths from start to end, the middle joint towards pole.

    An end out of reach is approached as far as 99.5 % of the length; one too near is kept at 35°.
    """
    way = np.asarray(end, float) - start
    nearest = np.sqrt(first**2 + second**2 - 2 * first * second * np.cos(np.radians(35.0)))
    distance = float(np.clip(np.linalg.norm(way), nearest, 0.995 * (first + second)))
    along = unit(way)
    side = unit(pole - (pole @ along) * along)
    cosine = np.clip((first**2 + distance**2 - second**2) / (2 * first * distance), -1, 1)
    middle = first * (cosine * along + np.sqrt(1 - cosine**2) * side)
    return unit(middle), unit(distance * along - middle)
