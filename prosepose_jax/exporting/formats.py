"""The formats by name, and what files a scene becomes in each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from prosepose_jax.exporting.bvh import bvh_text
from prosepose_jax.exporting.meshes import obj_text, ply_bytes
from prosepose_jax.exporting.motions import amass_arrays, smplx_arrays
from prosepose_jax.exporting.people import PosedPerson
from prosepose_jax.exporting.skinned import skinned_glb
from prosepose_jax.exporting.usd import usd_bytes
from prosepose_jax.io.atomic import write_bytes, write_npz, write_text

Writer = Callable[[Path, str, Sequence[PosedPerson]], list[Path]]


def _obj(folder: Path, key: str, people: Sequence[PosedPerson]) -> list[Path]:
    write_text(folder / f"{key}.obj", obj_text(people))
    return [folder / f"{key}.obj"]


def _ply(folder: Path, key: str, people: Sequence[PosedPerson]) -> list[Path]:
    write_bytes(folder / f"{key}.ply", ply_bytes(people))
    return [folder / f"{key}.ply"]


def _glb(folder: Path, key: str, people: Sequence[PosedPerson]) -> list[Path]:
    write_bytes(folder / f"{key}.glb", skinned_glb(people))
    return [folder / f"{key}.glb"]


def _files(folder: Path, key: str, people: Sequence[PosedPerson], ending: str) -> list[Path]:
    return [folder / f"{key}_person{index}.{ending}" for index in range(len(people))]


def _bvh(folder: Path, key: str, people: Sequence[PosedPerson]) -> list[Path]:
    files = _files(folder, key, people, "bvh")
    for file, person in zip(files, people, strict=True):
        write_text(file, bvh_text(person))
    return files


def _npz(folder: Path, key: str, people: Sequence[PosedPerson]) -> list[Path]:
    files = _files(folder, key, people, "npz")
    for file, person in zip(files, people, strict=True):
        write_npz(file, smplx_arrays(person))
    return files


def _amass(folder: Path, key: str, people: Sequence[PosedPerson]) -> list[Path]:
    files = _files(folder, key, people, "npz")
    for file, person in zip(files, people, strict=True):
        write_npz(file, amass_arrays(person))
    return files


def _usd(folder: Path, key: str, people: Sequence[PosedPerson]) -> list[Path]:
    write_bytes(folder / f"{key}.usdc", usd_bytes(people))
    return [folder / f"{key}.usdc"]


FORMATS: dict[str, Writer] = {
    "glb": _glb, "usd": _usd, "obj": _obj, "ply": _ply, "bvh": _bvh, "npz": _npz, "amass": _amass,
}  # fmt: skip


def export_scene(folder: Path, key: str, people: Sequence[PosedPerson], name: str) -> list[Path]:
    """Writes one scene in one format; returns its files.

    Raises:
      InputError: the format needs a package that is not installed, or another body.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return FORMATS[name](folder, key, people)
