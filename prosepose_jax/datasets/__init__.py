"""Hi4D, CHI3D, FlickrCI3D Signatures and MOYO as scenes (docs/datasets.md)."""

from prosepose_jax.datasets.reading import DATASETS, Dataset, read_dataset

__all__ = ["DATASETS", "Dataset", "read_dataset"]
