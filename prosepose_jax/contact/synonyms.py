"""The reviewed table of other words for body parts, for the extended parser.

One entry a word or phrase, in the singular: the names of the vocabulary it stands for. Several
names mean that any of them may be meant (the nearest counts). A word goes to the smallest named
part that surely holds it, so "palm" is "hand" and "thigh" is "leg"; "wrist" lies on the border of
two parts and names both. Switched off (`parse_extended(..., synonyms=False)`), only the vocabulary
and its plurals are read. docs/method.md, "Answers and rows".
"""

from __future__ import annotations

# fmt: off
SYNONYMS: dict[str, tuple[str, ...]] = {
    # hand
    "palm": ("hand",), "fist": ("hand",), "finger": ("hand",), "fingertip": ("hand",), "thumb": ("hand",),
    "forefinger": ("hand",), "index finger": ("hand",), "knuckle": ("hand",), "hand palm": ("hand",),
    "wrist": ("hand", "arm"),
    # arm
    "forearm": ("arm",), "fore arm": ("arm",), "upper arm": ("arm",), "lower arm": ("arm",), "elbow": ("arm",),
    "bicep": ("arm",), "biceps": ("arm",), "tricep": ("arm",), "triceps": ("arm",),
    # shoulder
    "shoulder blade": ("shoulder (back)",), "scapula": ("shoulder (back)",), "deltoid": ("shoulder",),
    "front shoulder": ("shoulder (front)",), "back shoulder": ("shoulder (back)",),
    "rear shoulder": ("shoulder (back)",), "armpit": ("shoulder", "arm"), "underarm": ("shoulder", "arm"),
    # leg
    "thigh": ("leg",), "upper leg": ("leg",), "lower leg": ("leg",), "knee": ("leg",), "kneecap": ("leg",),
    "knee cap": ("leg",), "shin": ("leg",), "calf": ("leg",), "hamstring": ("leg",), "quad": ("leg",),
    "quadriceps": ("leg",), "inner thigh": ("leg",), "lap": ("leg",), "ankle": ("foot", "leg"),
    # foot
    "heel": ("foot",), "toe": ("foot",), "sole": ("foot",), "instep": ("foot",), "big toe": ("foot",),
    "shoe": ("foot",),
    # head
    "face": ("head",), "cheek": ("head",), "forehead": ("head",), "chin": ("head",), "jaw": ("head",),
    "hair": ("head",), "ear": ("head",), "nose": ("head",), "mouth": ("head",), "lip": ("head",),
    "jawline": ("head",), "cheekbone": ("head",), "brow": ("head",), "eyebrow": ("head",), "beard": ("head",),
    "temple": ("head",), "eye": ("head",), "scalp": ("head",), "skull": ("head",), "crown": ("head",),
    # neck
    "nape": ("neck",), "throat": ("neck",),
    # trunk
    "upper back": ("back",), "mid back": ("back",), "middle back": ("back",), "spine": ("back",),
    "lower back": ("waist (back)",), "low back": ("waist (back)",), "small of the back": ("waist (back)",),
    "small of back": ("waist (back)",), "lumbar": ("waist (back)",),
    "torso": ("chest", "stomach", "back"), "trunk": ("chest", "stomach", "back"),
    "upper body": ("chest", "back", "shoulder"), "upper torso": ("chest", "back"),
    "lower torso": ("stomach", "waist"),
    "breast": ("chest",), "bust": ("chest",), "sternum": ("chest",), "pectoral": ("chest",), "pec": ("chest",),
    "upper chest": ("chest",),
    "collarbone": ("chest", "shoulder (front)"), "collar bone": ("chest", "shoulder (front)"),
    "rib": ("chest", "stomach"), "ribcage": ("chest", "stomach"), "rib cage": ("chest", "stomach"),
    "abdomen": ("stomach",), "abdominal": ("stomach",), "belly": ("stomach",), "tummy": ("stomach",),
    "midsection": ("stomach",), "abs": ("stomach",), "midriff": ("stomach",), "navel": ("stomach",),
    "hip": ("waist",), "pelvis": ("waist",), "hip bone": ("waist",), "flank": ("waist",), "waistline": ("waist",),
    "groin": ("waist (front)",), "crotch": ("waist (front)",),
    "buttock": ("butt",), "bottom": ("butt",), "glute": ("butt",), "behind": ("butt",), "butt cheek": ("butt",),
    "backside": ("butt",), "rear end": ("butt",), "bum": ("butt",), "hindquarter": ("butt",), "seat": ("butt",),
    # a bare "side" of the trunk
    "side": ("waist", "stomach"),
    # the ground, offered by the one-person prompt
    "floor": ("ground",), "mat": ("ground",), "yoga mat": ("ground",), "earth": ("ground",), "surface": ("ground",),
}

IRREGULAR_PLURALS: dict[str, str] = {
    "foot": "feet", "calf": "calves", "wrist": "wrists", "hip bone": "hip bones", "pelvis": "pelvises",
    "scapula": "scapulae", "midriff": "midriffs", "belly": "bellies", "tummy": "tummies",
}

# Words that come one a side, so that their plural means the left and the right one. "Fingers", "toes",
# "hips" or "cheeks" say nothing of the kind.
ONE_A_SIDE: frozenset[str] = frozenset({
    "hand", "palm", "fist", "wrist", "arm", "forearm", "fore arm", "upper arm", "lower arm", "elbow", "bicep",
    "tricep", "shoulder", "shoulder blade", "scapula", "armpit", "underarm", "front shoulder", "back shoulder",
    "rear shoulder", "deltoid", "leg", "thigh", "upper leg", "lower leg", "knee", "kneecap", "knee cap", "shin",
    "calf", "hamstring", "inner thigh", "ankle", "foot", "heel", "sole", "instep", "shoe",
})

# Words that say where on a part, or nothing; they never change which part is meant.
PASSED_OVER: frozenset[str] = frozenset({
    "the", "a", "an", "of", "his", "her", "their", "its", "my", "own", "upper", "lower", "inner", "outer", "middle",
    "mid", "center", "centre", "top", "tip", "base", "inside", "outside", "area", "region", "part", "body", "one",
    "other", "another", "either", "each", "side", "ball", "crook", "underside", "edge", "lateral", "medial",
    "opposite", "surface", "bottom", "bent", "straight", "extended", "raised", "free", "supporting", "standing",
    "sides", "man", "woman", "boy", "girl", "child", "adult", "mother", "father", "person", "male", "female", "player",
    "dancer", "kid", "baby", "lady", "guy",
})

FRONT_WORDS: frozenset[str] = frozenset({"front", "anterior", "frontal"})
BACK_WORDS: frozenset[str] = frozenset({"back", "rear", "posterior", "behind"})
BOTH_WORDS: frozenset[str] = frozenset({"both", "two", "pair"})
SIDE_WORDS: dict[str, str] = {"left": "left", "right": "right", "l": "left", "r": "right", "lt": "left", "rt": "right"}

# After a part they begin a remark about it: "arm around", "hand resting on".
REMARKS: frozenset[str] = frozenset({
    "on", "around", "against", "over", "under", "behind", "in", "at", "to", "with", "touching", "holding", "resting",
    "leaning", "wrapped", "placed", "pressed", "pressing", "across", "onto", "toward", "towards", "from", "near",
})

# A cell that says that there is nothing to say.
NOTHING: frozenset[str] = frozenset({
    "", "none", "n/a", "na", "n.a.", "nil", "no", "nothing", "no contact", "not applicable", "not visible",
    "not touching", "unknown", "unclear", "no visible contact", "no body part", "null", "...", "x", "?",
})

# In a note: the row is not a claim of contact.
DENIALS: tuple[str, ...] = (
    "not touch", "no contact", "not in contact", "no touch", "not contact", "almost", "not visible", "nearly",
    "close to", "without contact", "not certain", "near",
)
# fmt: on
