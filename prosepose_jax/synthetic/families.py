"""Noise families: each a kind of error that estimates are known to have, beside the three levels.

A family is the middle level with one thing changed, so a method that gains on all of them lives from no single error
model. Where a source gives no number, docs/synthetic.md says that the size was chosen. A family's errors of size are
stated as shares of the stature and not in betas.
"""

from __future__ import annotations

import dataclasses

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


FAMILIES: dict[str, Family] = {
    "agreeing": Family(
        "stature 4 % off; depth off by the same share, and 1 % on its own",
        "perspective: a picture shows size over depth, so a regressor supervised by 2D keypoints errs in both together; "
        "regressors' errors of stature on measured people (SHAPY, CVPR 2022) are of this order",
        _with(_SIZED | {"depth_follows_size": 1.0, "depth_share": 0.01}),
    ),
    "independent_depth": Family(
        "depth 8 % off, each person on its own, whatever the size",
        "BEV (CVPR 2022) reads depth from an own map and not from the person's size; size chosen",
        _with(_SIZED | {"depth_share": 0.08}),
    ),
    "mean_shape": Family(
        "betas drawn 90 % towards the mean; depth agrees with the size, and 1 % on its own",
        "regressors tend to the mean shape (SHAPY, CVPR 2022; Sengupta et al., 3DV 2021); share chosen",
        _with({"shape_shrink": 0.9, "shape_noise": 0.0, "depth_follows_size": 1.0, "depth_share": 0.01}),
    ),
    "wide_statures": Family(
        "each person's stature 6 % about what the template draws; betas drawn half towards the mean, depth agrees",
        "adults of both sexes together have a stature of about 168 cm with a standard deviation of 6 % of it",
        _with(_SIZED | {"depth_follows_size": 1.0, "depth_share": 0.01}),
        People(stature_share=0.06),
    ),
    "children": Family(
        "one person is a child of 65 to 85 % of the mean stature; stature 8 % off, depth agrees",
        "Relative Human (BEV, CVPR 2022): regressors trained on adults err most on children; size chosen",
        _with({"shape_noise": 0.0, "stature_share": 0.08, "depth_follows_size": 1.0, "depth_share": 0.01}),
        People(child=True),
    ),
    "small_orientation": Family(
        "global orientation 3 degrees about each axis",
        "half of the middle level: people seen whole and alone; size chosen",
        _with({"orient_degrees": 3.0}),
    ),
    "large_orientation": Family(
        "global orientation 14 degrees about each axis",
        "more than twice the middle level: people who lean, bend or hold each other; size chosen",
        _with({"orient_degrees": 14.0}),
    ),
    "upright": Family(
        "the trunk is drawn 35 % of its lean (up to 60 degrees) towards the picture's vertical",
        "regressors that take the camera for level put its pitch into the body (SPEC, ICCV 2021); share chosen",
        _with({"upright_share": 0.35}),
    ),
    "occluded_limbs": Family(
        "70 % of the people have an arm or leg covered: no keypoints, twice the error, drawn 60 % towards the rest",
        "limbs behind things are guessed from the mean pose (PARE, ICCV 2021); share chosen",
        _with({"unseen_factor": 2.0, "unseen_towards_rest": 0.6}, framing=Framing(covered_limb=0.7)),
    ),
    "truncated": Family(
        "the picture ends above the knees: no keypoints there, twice the error, drawn 80 % towards the rest",
        "pictures of people close together often show the upper body alone (FlickrCI3D); share chosen",
        _with({"unseen_factor": 2.0, "unseen_towards_rest": 0.8}, framing=Framing(legs_cut=True)),
    ),
    "mixed_keypoints": Family(
        "12 % of the arms and legs are found on the other person",
        "'swap' is a kind of error of keypoint detectors, most frequent where people overlap "
        "(Ruggero Ronchi and Perona, ICCV 2017); rate chosen",
        _with(keypoints={"mixed": 0.12}),
    ),
    "half_right_answers": Family(
        "half of the contacts missed, about half of the told ones wrong: contact F1 near 0.5",
        "a model that sees who touches but not where; estimates agree with the picture",
        _with(_SIZED | {"depth_follows_size": 1.0, "depth_share": 0.01}).with_answers("half"),
    ),
}
NAMES = (*LEVELS, *FAMILIES)


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
