"""Noise families: each a kind of error that estimates are known to have, beside the three levels.

A family is the middle level with one thing changed, so a method that gains on all of them lives from no single error
model. What its source does not say is called assumed. A family's errors of size are stated as shares of the stature
and not in betas. What the families come to on generated scenes is measured (docs/synthetic.md).
"""

from __future__ import annotations

import dataclasses

from prosepose_jax.synthetic.camera_placement import USUAL_CAMERAS, Cameras
from prosepose_jax.synthetic.framing import Framing
from prosepose_jax.synthetic.levels import LEVELS, Noise
from prosepose_jax.synthetic.people import TEMPLATES_OWN, People


@dataclasses.dataclass(frozen=True)
class Family:
    """One kind of error, with what it states."""

    statistic: str  # what is wrong and by how much, one standard deviation where not said otherwise
    source: str  # where that is known from
    noise: Noise
    people: People = TEMPLATES_OWN
    cameras: Cameras = USUAL_CAMERAS

    @property
    def set_label(self) -> str:
        """Distinguishes its true scenes from others' in file names; empty for the usual people and cameras."""
        return "_".join(label for label in (self.people.label, self.cameras.label) if label)


_MIDDLE = LEVELS["middle"]
# The middle level with its size error as a share of the stature: betas are drawn half towards the mean as there.
_SIZED = {"shape_noise": 0.0, "stature_share": 0.04}


def _with(regressor: dict | None = None, keypoints: dict | None = None, framing: Framing | None = None) -> Noise:
    """The middle level with fields of its records changed."""
    return dataclasses.replace(
        _MIDDLE,
        two_person=dataclasses.replace(_MIDDLE.two_person, **(regressor or {})),
        self_contact=dataclasses.replace(_MIDDLE.self_contact, **(regressor or {})),
        keypoints=dataclasses.replace(_MIDDLE.keypoints, **(keypoints or {})),
        framing=framing or _MIDDLE.framing,
    )


# Where papers are found: BEV arXiv 2112.08274, STRAPS 2009.10013, SHAPY 2206.07036, SPEC 2110.00620, PARE 2104.08527.
_PERSPECTIVE = "depth is ambiguous without a person's height (BEV, CVPR 2022), as a picture shows size over depth"
_SHAPES = "regressors often predict inaccurate shapes for want of training data of diverse ones (STRAPS, SHAPY)"

FAMILIES: dict[str, Family] = {
    "agreeing": Family(
        "stature 4 % off beside what betas drawn half towards the mean lose; depth off by as much, and 1 % on its own",
        f"{_PERSPECTIVE}; the shares are assumed",
        _with(_SIZED | {"depth_follows_size": 1.0, "depth_share": 0.01}),
    ),
    "independent_depth": Family(
        "stature as in agreeing; depth 8 % off, each person on its own, whatever the size",
        "a regressor that reads depth from a map of its own (BEV, CVPR 2022); that errors are independent, and their "
        "size, are assumed",
        _with(_SIZED | {"depth_share": 0.08}),
    ),
    "mean_shape": Family(
        "betas drawn 90 % towards the mean; depth off by as much as the stature, and 1 % on its own",
        f"{_SHAPES}; the share is assumed",
        _with({"shape_shrink": 0.9, "shape_noise": 0.0, "depth_follows_size": 1.0, "depth_share": 0.01}),
    ),
    "wide_statures": Family(
        "each person's true stature multiplied by a factor of 6 % about what the template draws; errors as in agreeing",
        "women of 64 and men of 70 inches, 3 inches each (J. D. Cook, Distribution of adult heights, 2008) have "
        "together a standard deviation of 6.3 % of the mean; errors assumed",
        _with(_SIZED | {"depth_follows_size": 1.0, "depth_share": 0.01}),
        People(stature_share=0.06),
    ),
    "children": Family(
        "one person is a child of 65 to 85 % of the mean stature; errors as in agreeing, but of the stature 8 %",
        "scenes with people from infants to adults (Relative Human: BEV, CVPR 2022); that errors are twice as large "
        "there is assumed",
        _with({"shape_noise": 0.0, "stature_share": 0.08, "depth_follows_size": 1.0, "depth_share": 0.01}),
        People(child=True),
    ),
    "small_orientation": Family(
        "global orientation 3 degrees about each axis",
        "half of the middle level, as of people seen whole and alone; assumed",
        _with({"orient_degrees": 3.0}),
    ),
    "large_orientation": Family(
        "global orientation 14 degrees about each axis",
        "more than twice the middle level, as of people who lean, bend or hold each other; assumed",
        _with({"orient_degrees": 14.0}),
    ),
    "upright": Family(
        "the trunk is drawn 35 % of its lean (up to 60 degrees) towards the picture's vertical",
        "methods that take the camera's rotation for zero err in the pose (SPEC, ICCV 2021); that they err towards the "
        "vertical, and the share, are assumed",
        _with({"upright_share": 0.35}),
    ),
    "occluded_limbs": Family(
        "70 % of the people have an arm or leg covered: no keypoints, twice the error, drawn 60 % towards the rest",
        "regressors are sensitive to partial occlusion (PARE, ICCV 2021); shares and direction are assumed",
        _with({"unseen_factor": 2.0, "unseen_towards_rest": 0.6}, framing=Framing(covered_limb=0.7)),
    ),
    "truncated": Family(
        "the picture ends above the knees: no keypoints there, twice the error, drawn 80 % towards the rest",
        "models of the whole body falter where only a part is in the picture (Divide and Fuse, arXiv 2407.09694); "
        "shares and direction are assumed",
        _with({"unseen_factor": 2.0, "unseen_towards_rest": 0.8}, framing=Framing(legs_cut=True)),
    ),
    "edge_keypoints": Family(
        "as truncated, but knees and feet up to 30 % of the person's size below the edge are found at it, confidence "
        "0.3 to 0.8",
        "detections of a ViTPose in photographs of people cut above the knees: knees within 1 % of the edge at 0.3 to "
        "0.8, lower points below 0.1; the reach is assumed",
        _with(
            {"unseen_factor": 2.0, "unseen_towards_rest": 0.8},
            framing=Framing(legs_cut=True, found_at_edge=0.3),
        ),
    ),
    "mixed_keypoints": Family(
        "12 % of the arms and legs are found on the other person",
        "'swap' is one of the localisation errors of keypoint detectors, which depend on how people overlap (Ruggero "
        "Ronchi and Perona, ICCV 2017); the rate is assumed",
        _with(keypoints={"mixed": 0.12}),
    ),
    "half_right_answers": Family(
        "answers with a contact F1 of 0.5; estimates as in agreeing",
        "a model that sees who touches but not always where; assumed",
        _with(_SIZED | {"depth_follows_size": 1.0, "depth_share": 0.01}).with_answers("half"),
    ),
    "steep_cameras": Family(
        "the camera looks down by 25 to 45 degrees and is turned about its axis by up to 10 degrees either way",
        "cameras in the wild are not level, which methods that take them for level are wrong by (SPEC, ICCV 2021); the "
        "range, of a camera under a ceiling that hangs askew, is assumed",
        _MIDDLE,
        cameras=Cameras((25.0, 45.0), 10.0),
    ),
}
NAMES = (*LEVELS, *FAMILIES)
# The fit of one person asks for no floor, so it does not know how the camera stands.
_TWO_PEOPLE_ONLY = frozenset({"mixed_keypoints", "steep_cameras"})


def names_for(kind: str) -> tuple[str, ...]:
    """Levels and families that say something about scenes of a kind, "two_person" or "self_contact"."""
    return tuple(name for name in NAMES if kind == "two_person" or name not in _TWO_PEOPLE_ONLY)


def family_of(name: str | Noise | Family) -> Family:
    """The family or level of that name; a `Noise` is one about the templates' own people, a `Family` itself.

    Raises:
      ValueError: an unknown name.
    """
    if isinstance(name, Family):
        return name
    if isinstance(name, Noise):
        return Family("", "", name)
    if name in FAMILIES:
        return FAMILIES[name]
    if name in LEVELS:
        return Family(f"the level {name}", "docs/synthetic.md", LEVELS[name])
    raise ValueError(f"level: expected one of {NAMES}, found {name!r}")


def noise_level(level: str | Noise) -> Noise:
    """The noise of a level or family; a `Noise` is returned as it is.

    Raises:
      ValueError: an unknown name.
    """
    return family_of(level).noise
