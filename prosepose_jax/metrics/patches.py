"""A mesh in patches of neighbours, whose boxes tell which of its parts can meet another mesh.

Made once a body: neighbours at rest stay neighbours in every pose. Looking at some hundred boxes spares looking at
ten thousand vertices; nothing that can matter is left out, so what is measured stays exact.
"""

from __future__ import annotations

import functools
from types import ModuleType

import numpy as np

from prosepose_jax.metrics.boxes import Boxes, Groups, Ring, split
from prosepose_jax.metrics.crossings import Mesh

_VERTICES, _FACES = 32, 64  # of a patch


class Patches:
    """The vertices of a mesh, its surface, and a closed surface on some of the same vertices, each in patches.

    Args:
      rest: (V, 3) vertices at rest.
      faces: (F, 3) the surface.
      hull: (H, 3) a closed surface for inside tests; None: the surface is closed.
      kernels: compiled loops (`metrics.kernels`), or none.
    """

    def __init__(
        self, rest: np.ndarray, faces: np.ndarray, hull: np.ndarray | None = None, kernels: ModuleType | None = None
    ) -> None:
        self._kernels = kernels
        self._rest = rest = np.asarray(rest, np.float64)
        self.surface = Surface(rest, np.asarray(faces, np.int64))
        self.hull = self.surface if hull is None else Surface(rest, np.asarray(hull, np.int64))

    @functools.cached_property
    def vertices(self) -> Groups:
        """All vertices."""
        return vertex_groups(np.arange(len(self._rest)), self._rest)

    @functools.cached_property
    def skin_mesh(self) -> Mesh:
        """The surface, for crossings of its edges; all vertices are on it."""
        return Mesh(self._rest, self.surface.faces, every=True, kernels=self._kernels)

    @functools.cached_property
    def hull_mesh(self) -> Mesh:
        """The closed surface, for crossings of its edges and faces."""
        one = self.hull is self.surface
        return self.skin_mesh if one else Mesh(self._rest, self.hull.faces, kernels=self._kernels)


def vertex_groups(ids: np.ndarray, rest: np.ndarray) -> Groups:
    """Vertices in sets of neighbours at rest."""
    return Groups(split(ids, rest, _VERTICES))


class Surface:
    """Triangles in patches."""

    def __init__(self, rest: np.ndarray, faces: np.ndarray) -> None:
        self.faces = faces
        self.patches = split(np.arange(len(faces)), rest[faces].mean(axis=1), _FACES)
        self._count = len(rest)
        self.groups = Groups([np.unique(faces[patch]) for patch in self.patches])

    @functools.cached_property
    def ring(self) -> Ring:
        """The faces around each vertex."""
        return Ring(self.faces)

    def boxes(self, vertices: np.ndarray) -> Boxes:
        """Of the patches of a posed mesh."""
        return self.groups.boxes(vertices)

    def triangles(self, chosen: np.ndarray) -> np.ndarray:
        """(f, 3) the faces of the chosen patches (bool)."""
        ids = np.flatnonzero(chosen)
        return self.faces[np.concatenate([self.patches[k] for k in ids])] if len(ids) else self.faces[:0]

    def vertices(self, chosen: np.ndarray) -> np.ndarray:
        """The vertices of the chosen patches (bool), each once."""
        used = np.zeros(self._count, bool)
        used[self.groups.of(chosen)] = True
        return np.flatnonzero(used)
