"""Damaged inputs from numbers: bytes, JSON, archives, pickles and tables, each in the ways that it can be damaged."""

from __future__ import annotations

import io
import json
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from fuzz_targets import Target

_TEXTS = (
    "",
    "\0",
    "\x1b[2J",
    "\ud800",
    "ü",
    "a" * 300,
    "../../etc/passwd",
    "NaN",
    "1e999",
    "|" * 50,
    "null",
    "/dev/zero",
)
_NUMBERS = (0, -1, 1, 2**31, -(2**63), 2**64, 10**30, 0.5, 1e308, -1e308, float("nan"), float("inf"), True, None)
_BYTES = (
    b"\0",
    b"\xff",
    b"[",
    b"{",
    b"}",
    b"|",
    b"\n",
    b"PK\x03\x04",
    b"\x93NUMPY",
    b"9" * 400,
    b"[" * 300,
    b"-",
    b"e5",
)


def make_input(target: Target, number: tuple[int, int]) -> bytes:
    """The input of a number (seed, index): the same bytes on every machine."""
    rng = random.Random(f"{number[0]} {number[1]} {target.name}")
    good = target.good()
    ways = [_flip, _cut, _insert, _repeat, *_ways_of(target.name.rpartition(".")[2], good)]
    data = good
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        data = rng.choice(ways)(data, rng)
    return data


def _ways_of(ending: str, good: bytes) -> list[Callable[[bytes, random.Random], bytes]]:
    """The ways that know a kind of file: told by its ending, of `.dat` by its first bytes."""
    if ending == "dat":
        first = good[:1]
        ending = {b"P": "npz", b"\x80": "pkl", b"{": "json", b"[": "json"}.get(first, "")
    ways: dict[str, list[Callable[[bytes, random.Random], bytes]]] = {
        "npz": [_archive] * 6 + [_numbers] * 4, "npy": [_array_bytes] * 4, "json": [_json] * 6,
        "jsonl": [_json_lines] * 6, "pkl": [_opcodes] * 4, "txt": [_words] * 6, "pt": [_archive_bytes] * 2,
    }  # fmt: skip
    return ways.get(ending, [])


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 64))):
        if changed:
            # Headers are where the traps are: half of the changes go there.
            limit = min(len(changed), 200) if rng.random() < 0.5 else len(changed)
            changed[rng.randrange(limit)] = rng.choice((0, 255, rng.randrange(256)))
    return bytes(changed)


def _cut(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] if rng.random() < 0.7 else data[at:]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(_BYTES) * rng.choice((1, 1, 5)) + data[at:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    part = data[start : start + rng.randrange(1, 200)]
    return data[:start] + part * rng.choice((2, 5, 50)) + data[start:]


def _odd_array(rng: random.Random) -> np.ndarray:
    shape = tuple(rng.choice((0, 1, 2, 3, 25)) for _ in range(rng.randrange(4)))
    kind = rng.choice(("f4", "f8", "i4", "i8", "u1", "c8", "U3", "S3", "?", "M8[s]", ">f4", "f2"))
    array = np.zeros(shape, kind)
    if array.dtype.kind == "f" and array.size:
        array.reshape(-1)[rng.randrange(array.size)] = rng.choice((np.nan, np.inf, -1e30, 1e30, 5.0))
    return array


def _odd_header(rng: random.Random) -> bytes:
    shape = rng.choice(
        ("(1000000000000,)", "(-1,)", "((", "(2,", "(True,)", "(1e3,)", "()", "(0, 99999999999)", "None")
    )
    descr = rng.choice(
        ("'<f4'", "'|O'", "'<U1000000000'", "[('a', '<f4')]", "'nonsense'", "None", "'|V0'", "'<f4' * 9")
    )
    text = f"{{'descr': {descr}, 'fortran_order': {rng.choice(('False', 'True', '3'))}, 'shape': {shape}, }}".encode()
    version = rng.choice((1, 1, 1, 2, 3, 9))
    size = struct.pack("<H", len(text)) if version == 1 else struct.pack("<I", rng.choice((len(text), 2**32 - 1)))
    return b"\x93NUMPY" + bytes((version, 0)) + size + text + b"\xff" * rng.choice((0, 4, 100))


def _array_bytes(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return _odd_header(rng)
    file = io.BytesIO()
    np.save(file, _odd_array(rng))
    return file.getvalue()


def _archive(data: bytes, rng: random.Random) -> bytes:
    """One member replaced, left out, doubled, renamed or packed."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:  # damaged already
        return _flip(data, rng)
    if not members:
        return data
    at = rng.randrange(len(members))
    name, content = members[at]
    way = rng.randrange(7)
    if way == 0:
        members[at] = (name, _array_bytes(b"", rng))
    elif way == 1:
        del members[at]
    elif way == 2:
        members.append((name, _array_bytes(b"", rng)))
    elif way == 3:
        members[at] = (rng.choice(("", "../x.npy", "a\x1b.npy", name.upper())), content)
    elif way == 4:
        members[at] = (name, _flip(content, rng))
    elif way == 5:
        members.append(("more.npy", b"\0" * (1 << 22)))
    else:
        members[at] = (name, _cut(content, rng))
    file = io.BytesIO()
    with (
        warnings.catch_warnings(action="ignore"),
        zipfile.ZipFile(file, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive,
    ):
        for name, content in dict(members).items() if way != 2 else members:
            archive.writestr(zipfile.ZipInfo(name), content)
    packed = bytearray(file.getvalue())
    if rng.random() < 0.2:  # encrypted, of a later version, of another method
        packed[rng.choice((4, 6, 8))] ^= rng.choice((1, 0xFF))
    return bytes(packed)


def _numbers(data: bytes, rng: random.Random) -> bytes:
    """Other numbers in an archive that is whole: what gets past the reader's first checks."""
    try:
        with np.load(io.BytesIO(data)) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception:  # damaged already, or pickled
        return _flip(data, rng)
    floats = sorted(
        name for name, array in arrays.items()
        if isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.size
    )  # fmt: skip
    if not floats:
        return _flip(data, rng)
    for name in rng.choices(floats, k=rng.choice((1, 1, 3))):
        changed = np.array(arrays[name])
        flat = changed.reshape(-1)
        scale = 10.0 ** rng.choice((-30, -6, -2, -1, 1, 2, 6, 30))
        with np.errstate(all="ignore"):
            if rng.random() < 0.5:
                flat[rng.randrange(flat.size)] = rng.choice((0.0, -1.0, 1e3, -1e3, 1e30, np.nan, np.inf))
            else:
                flat *= rng.choice((0.0, -1.0, scale, scale))
        arrays[name] = changed
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _archive_bytes(data: bytes, rng: random.Random) -> bytes:
    return _archive(data, rng) if data[:2] == b"PK" else _opcodes(data, rng)


def _opcodes(data: bytes, rng: random.Random) -> bytes:
    """Instructions of pickles where they do not belong."""
    traps = (b"r\xff\xff\xff?", b"\x8e" + b"\xff" * 8, b"\x96" + b"\0" * 5 + b"\1\0\0", b"cos\nsystem\n",
             b"\x8cbuiltins\x94\x8c\4eval\x94\x93", b"]" + b"2" * 40 + b"e", b"\x82\1", b"(lp0\ng0\na", b"Nt.",
             b"I" + b"9" * 500 + b"\n", b"\x8a\xff" + b"\xff" * 255, b"P0\n", b"\x97", b"(" * 2000,
             b"]" * 3000 + b"a" * 2999)  # fmt: skip
    at = rng.choice((2, rng.randrange(len(data) + 1)))
    return data[:at] + rng.choice(traps) + data[at + rng.choice((0, 0, 4)) :]


def _odd_value(rng: random.Random, depth: int = 0) -> Any:
    way = rng.randrange(6 if depth < 3 else 3)
    if way == 0:
        return rng.choice(_TEXTS)
    if way in (1, 2):
        return rng.choice(_NUMBERS)
    if way == 3:
        return [_odd_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if way == 4:
        return {rng.choice(_TEXTS): _odd_value(rng, depth + 1) for _ in range(rng.randrange(3))}
    value: Any = 0
    for _ in range(rng.choice((5, 90, 150))):
        value = [value]
    return value


def _changed(value: Any, rng: random.Random) -> Any:
    """The value with something inside it replaced."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        name = rng.choice(list(value))
        if rng.random() < 0.15:
            return {other: part for other, part in value.items() if other != name}
        return value | {name: _changed(value[name], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        return [*value[:at], _changed(value[at], rng), *value[at + 1 :]]
    return _odd_value(rng)


def _json(data: bytes, rng: random.Random) -> bytes:
    try:
        text = json.dumps(_changed(json.loads(data), rng))
    except (ValueError, RecursionError):
        return _flip(data, rng)
    if rng.random() < 0.2:  # a number that Python itself would refuse, or no float can hold
        text = text.replace("0", rng.choice(("9" * 5000, "1" + "0" * 400, "0x1", "-")), 1)
    return text.encode("utf-8", "surrogatepass")


def _json_lines(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    return b"\n".join([*lines[:at], _json(lines[at], rng), *lines[at + 1 :]])


def _words(data: bytes, rng: random.Random) -> bytes:
    """Words of tables and texts exchanged, repeated, glued."""
    pieces = data.decode("utf-8", "replace").split(" ")
    known = ("left", "right", "hand", "foot", "or", "and", ",", "/", "|", "\n", "|---|---|", "<td>", "</table>",
             "```", "{", '"a":', "not", "~~", "**", "1.", "-", ":", "=", "person 1", "\t", "\f", "%", "@")  # fmt: skip
    for _ in range(rng.choice((1, 4, 20))):
        at = rng.randrange(len(pieces))
        pieces[at : at + rng.choice((0, 1, 1))] = [rng.choice((*known, *_TEXTS))] * rng.choice((1, 1, 1, 30))
    return rng.choice((" ", " ", "")).join(pieces).encode("utf-8", "replace")
