"""Files in and out: scenes, answers, fits, meshes."""

from prosepose_jax.io.answers import AnswerSet, load_answers
from prosepose_jax.io.atomic import atomic_file, write_bytes, write_json, write_npz, write_text
from prosepose_jax.io.entries import EntryWriter
from prosepose_jax.io.fits import FitFolder, encode_fit, fits_folder, has_fit, load_fit, load_fits, save_fit
from prosepose_jax.io.mesh import write_glb
from prosepose_jax.io.scenes import CONTACT_PART_NAMES, SceneSet, load_scene, load_scenes, save_scene, scene_files

__all__ = [
    "CONTACT_PART_NAMES",
    "AnswerSet",
    "EntryWriter",
    "FitFolder",
    "SceneSet",
    "atomic_file",
    "encode_fit",
    "fits_folder",
    "has_fit",
    "load_answers",
    "load_fit",
    "load_fits",
    "load_scene",
    "load_scenes",
    "save_fit",
    "save_scene",
    "scene_files",
    "write_bytes",
    "write_glb",
    "write_json",
    "write_npz",
    "write_text",
]
