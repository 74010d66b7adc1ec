"""What files of other tools are packed in; the kind is told by the content, nothing in a file is executed."""

from prosepose_jax.importing.containers.reading import read_tree

__all__ = ["read_tree"]
