"""Which file a scene's `image` may name, and how a picture from elsewhere comes into a folder of scenes.

A folder of scenes may come from a stranger. What its `image` fields name is opened, drawn into reports and sent to
servers: it must be a regular file below the scenes' folder, unless the caller allows more (docs/security.md).
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
from pathlib import Path

from prosepose_jax.errors import InputError
from prosepose_jax.io.atomic import atomic_file
from prosepose_jax.scene import Scene
from prosepose_jax.untrusted import open_regular, shown

IMAGES_FOLDER = "images"
_CHUNK = 1 << 20


class ImageRefused(InputError):
    """A scene's `image` lies where it must not, or is no regular file. Without its picture the scene is usable."""


@dataclasses.dataclass(frozen=True)
class ImageRule:
    """Where images may lie.

    Attributes:
      root: folder that may hold them besides the scenes' own; relative names are looked up there too.
      anywhere: whether they may lie outside of both.
    """

    root: Path | None = None
    anywhere: bool = False


INSIDE = ImageRule()
ANYWHERE = ImageRule(anywhere=True)


def image_rule(root: str | None, allow_outside: bool) -> ImageRule:
    """The rule of the flags --image_root and --allow_outside_images.

    Raises:
      InputError: `root` is no folder.
    """
    if root and not Path(root).is_dir():
        raise InputError(f"--image_root={root}: no such folder")
    return ImageRule(Path(root).resolve() if root else None, allow_outside)


def image_path(scene_file: Path, name: str, rule: ImageRule = INSIDE) -> Path:
    """The file that the field `image` of a scene names, links followed.

    Args:
      scene_file: the scene's file; names are relative to its folder.
      name: the field's text.
      rule: where the file may lie.

    Returns:
      The resolved path. A file that is not there is no error here: a scene is fitted without its picture.

    Raises:
      ImageRefused: the name leads outside of what is allowed, or to something that is no regular file.
      InputError: it is no name of a file.
    """
    where = f"{scene_file}: field 'image'"
    if not name.isprintable():
        raise InputError(f"{where}: expected the name of a file, found {shown(name)!r}")
    folder = scene_file.parent.resolve()
    try:
        path = (folder / name).resolve()
        if rule.root is not None and not path.exists():
            path = next((p for p in [(rule.root / name).resolve()] if p.exists()), path)
        inside = any(path.is_relative_to(root) for root in (folder, rule.root) if root is not None)
        found = path.exists() and not path.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{where}: {shown(name)!r} cannot be looked up ({error})") from error
    if not inside and not rule.anywhere:
        raise ImageRefused(
            f"{where}: {shown(name)!r} lies outside the scenes' folder; allow it with --image_root=FOLDER or "
            "--allow_outside_images"
        )
    if found:
        raise ImageRefused(f"{where}: {shown(name)!r} is no regular file")
    return path


def bring_inside(folder: Path, image: Path) -> Path:
    """A picture's path below a folder of scenes: as it is when it lies there, else of a link or copy in `images/`.

    A hard link takes no space; where the file systems differ, the file is copied. Another file of the same name is
    never overwritten: the new one has some digits of its content in its name.

    Raises:
      InputError: the picture is no regular file.
      OSError: it can be neither linked nor copied.
    """
    folder, image = folder.resolve(), image.resolve()
    if image.is_relative_to(folder):
        return image
    target = folder / IMAGES_FOLDER / image.name
    if target.exists() and not _same(image, target):
        target = target.with_name(f"{image.stem}-{_digest(image)[:8]}{image.suffix}")
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_regular(image) as source:
        try:
            os.link(image, target)
        except FileExistsError:  # another process brought it in the meantime
            return target
        except OSError:
            with atomic_file(target) as copy:
                shutil.copyfileobj(source, copy, _CHUNK)
    return target


def with_picture_inside(folder: Path, scene: Scene) -> Scene:
    """The scene with its picture below the scenes' folder, where alone other commands take it from.

    A scene whose picture isn't there stays as it is.

    Raises:
      OSError: the picture can be neither linked nor copied.
    """
    if scene.image is None or not scene.image.is_file():
        return scene
    return dataclasses.replace(scene, image=bring_inside(folder, scene.image))


def _same(one: Path, other: Path) -> bool:
    return os.path.samefile(one, other) or (
        one.stat().st_size == other.stat().st_size and _digest(one) == _digest(other)
    )


def _digest(file: Path) -> str:
    with open_regular(file) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
