"""From the outputs of other tools to scenes: containers, sources, keypoints, matching, agreement, retargeting."""

from prosepose_jax.importing.images import ImageInputs, ImportedScene, ImportResult, import_image

__all__ = ["ImageInputs", "ImportResult", "ImportedScene", "import_image"]
