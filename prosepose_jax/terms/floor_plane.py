"""The plane that points rest on, and what is left of their heights when it is free (docs/method.md, "Floor").

The plane up(pitch, roll) · x = height moves to where it costs least, so it is no unknown of the fit: of the heights'
squares remains what no plane within its bounds takes away.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import struct

# Keeps what nothing is known of finite: a weight, and 1 / m² of a height.
_LEAST = 1e-3


@struct.dataclass
class PlaneBounds:
    """What is known of the plane before people stand on it; its height is free."""

    pitch: jax.Array  # () rad: how far the camera looks down, most likely
    pitch_sd: jax.Array  # () rad
    roll_sd: jax.Array  # () rad, about no roll
    height_sd: jax.Array  # () m: how far a support may be off the plane


@struct.dataclass
class FreePlane:
    """A plane, and how it follows the heights of m points that rest on it."""

    up: jax.Array  # (3,) unit, camera frame
    centre: jax.Array  # (3,) m: heights are measured from here
    height: jax.Array  # () m, of the plane over `centre`
    tilt: jax.Array  # (2,) rad: pitch and roll
    slopes: jax.Array  # (m, 3) m: how heights change with pitch, roll and height
    follows: jax.Array  # (3, m): how pitch, roll and height follow the heights
    offset: jax.Array  # (3,) how they move where all heights are 0
    sharpness: jax.Array  # (m,) 1 / m: root of weight over standard deviation


def upward(tilt: jax.Array) -> jax.Array:
    """(3,) the floor's upward normal for a pitch of the camera and a lean to its side (2,) in rad; y points down."""
    pitch, roll = tilt[0], tilt[1]
    return jnp.stack([jnp.sin(roll), -jnp.cos(roll) * jnp.cos(pitch), -jnp.cos(roll) * jnp.sin(pitch)])


def free_plane(
    points: jax.Array, weight: jax.Array, tilt: jax.Array, height: jax.Array, bounds: PlaneBounds
) -> FreePlane:
    """How a plane follows points near it.

    Args:
      points: (m, 3) m, camera frame.
      weight: (m,) how much each counts; 0: not at all.
      tilt: (2,) rad, about which the plane is linear.
      height: () m, up · x of the plane.
      bounds: of the plane.
    """
    share = weight / jnp.maximum(jnp.sum(weight), _LEAST)
    centre = share @ points
    up, turned = upward(tilt), jax.jacfwd(upward)(tilt)  # (3,), (3, 2)
    from_centre = points - centre[None]
    slopes = jnp.concatenate([from_centre @ turned, -jnp.ones((len(points), 1))], axis=1)
    heavy = slopes.T * (weight / bounds.height_sd**2)[None]  # (3, m)
    known = jnp.stack([bounds.pitch_sd**-2, bounds.roll_sd**-2, jnp.float32(_LEAST)])
    inverse = jnp.linalg.inv(heavy @ slopes + jnp.diag(known))
    bent = known * jnp.stack([tilt[0] - bounds.pitch, tilt[1], jnp.zeros(())])
    return FreePlane(
        up,
        centre,
        height - centre @ up,
        tilt,
        slopes,
        -inverse @ heavy,
        -inverse @ bent,
        jnp.sqrt(weight) / bounds.height_sd,
    )


def heights_over(plane: FreePlane, points: jax.Array) -> jax.Array:
    """(m,) m, of points (m, 3) over the plane as it was found."""
    return (points - plane.centre[None]) @ plane.up - plane.height


def moved_plane(plane: FreePlane, heights: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Tilt (2,) rad and height () m, as up · x, of the plane once it has followed the heights (m,)."""
    step = plane.follows @ heights + plane.offset
    tilt = plane.tilt + step[:2]
    return tilt, plane.centre @ upward(tilt) + plane.height + step[2]


def left_over(plane: FreePlane, bounds: PlaneBounds, points: jax.Array) -> jax.Array:
    """(m + 2,) in standard deviations: what is left of the heights of points (m, 3), and how far the plane is tilted.

    Linear in the points. Its squares are the least that any plane makes of them.
    """
    heights = heights_over(plane, points)
    step = plane.follows @ heights + plane.offset
    tilted = plane.tilt + step[:2] - jnp.stack([bounds.pitch, jnp.zeros(())])
    return jnp.concatenate(
        [plane.sharpness * (heights + plane.slopes @ step), tilted / jnp.stack([bounds.pitch_sd, bounds.roll_sd])]
    )
