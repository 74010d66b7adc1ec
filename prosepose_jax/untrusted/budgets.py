"""What one file or reply may take (docs/security.md, "Budgets"). Errors name the budget that was exceeded."""

from __future__ import annotations

MIB = 1 << 20

JSON_BYTES = 256 * MIB
JSON_VALUES = 5_000_000
JSON_DEPTH = 100
JSON_DIGITS = 300  # of a whole number: more digits exceed every float

SCENE_BYTES = 128 * MIB  # of the fields that are read, unpacked
ARCHIVE_BYTES = 1024 * MIB  # the same for body files, priors and fits
ARCHIVE_MEMBERS = 10_000
FILE_BYTES = 2048 * MIB  # of a file on disk
HEADER_BYTES = 10_000  # of an array's description

PICKLE_OPCODES = 2_000_000
PICKLE_DEPTH = 50
PICKLE_VALUES = 5_000_000  # shared parts counted as often as they are met

# Other tools' estimates and keypoints.
FOREIGN_BYTES = 256 * MIB  # of one file, unpacked
FOREIGN_DEPTH = 40  # containers inside containers
FOREIGN_VALUES = 2_000_000  # of all containers together
FOREIGN_OPCODES = 5_000_000  # of a pickle

REPLY_BYTES = 4 * MIB  # of a server's reply, unpacked; eight long answers take a fiftieth of it
REPLY_VALUES = 50_000
ERROR_BYTES = 100_000  # of a server's error that is no JSON
