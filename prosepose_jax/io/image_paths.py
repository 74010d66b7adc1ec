"""Which file a scene's `image` may name: where pictures leave the machine, one below the scenes' folder.

A folder of scenes may come from a stranger. What its `image` fields name is opened, drawn into reports and sent to
servers: it must be a regular file, and `prosepose ask` sends none from elsewhere unless it is allowed.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from prosepose_jax.errors import InputError
from prosepose_jax.untrusted import shown


@dataclasses.dataclass(frozen=True)
class ImageRule:
    """Where images may lie.

    Attributes:
      root: folder that may hold them besides the scenes' own; relative names are looked up there too.
      anywhere: whether they may lie outside of both.
    """

    root: Path | None = None
    anywhere: bool = False


_ANYWHERE = ImageRule(anywhere=True)
_RULE: contextvars.ContextVar[ImageRule] = contextvars.ContextVar("image_rule", default=_ANYWHERE)


@contextlib.contextmanager
def images_allowed(root: str | Path | None = None, anywhere: bool = False) -> Iterator[None]:
    """Scenes that are read inside the block may name images below `root` (or anywhere).

    Raises:
      InputError: `root` is no folder.
    """
    if root and not Path(root).is_dir():
        raise InputError(f"--image_root={root}: no such folder")
    token = _RULE.set(ImageRule(Path(root).resolve() if root else None, anywhere))
    try:
        yield
    finally:
        _RULE.reset(token)


def image_path(scene_file: Path, name: str) -> Path:
    """The file that the field `image` of a scene names, links followed.

    Args:
      scene_file: the scene's file; names are relative to its folder.
      name: the field's text.

    Returns:
      The resolved path. A file that is not there is no error here: a scene is fitted without its picture.

    Raises:
      InputError: the name leads outside of what is allowed, to something that is no regular file, or is no name.
    """
    where = f"{scene_file}: field 'image'"
    if not name.isprintable():
        raise InputError(f"{where}: expected the name of a file, found {shown(name)!r}")
    rule = _RULE.get()
    folder = scene_file.parent.resolve()
    try:
        path = (folder / name).resolve()
        if rule.root is not None and not path.exists():
            path = next((p for p in [(rule.root / name).resolve()] if p.exists()), path)
        inside = any(path.is_relative_to(root) for root in (folder, rule.root) if root is not None)
        if not inside and not rule.anywhere:
            raise InputError(
                f"{where}: {shown(name)!r} lies outside the scenes' folder; allow it with --image_root=FOLDER or "
                "--allow_outside_images"
            )
        if path.exists() and not path.is_file():
            raise InputError(f"{where}: {shown(name)!r} is no regular file")
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}: {shown(name)!r} cannot be looked up ({error})") from error
    return path
