"""Places that hold named objects: a folder, or what fsspec reaches (docs/scaling.md, "Storage")."""

from prosepose_jax.storage.base import Entry, Store
from prosepose_jax.storage.local import LocalStore
from prosepose_jax.storage.objects import ObjectStore
from prosepose_jax.storage.opening import is_url, local_path, open_store, split_name

__all__ = ["Entry", "LocalStore", "ObjectStore", "Store", "is_url", "local_path", "open_store", "split_name"]
