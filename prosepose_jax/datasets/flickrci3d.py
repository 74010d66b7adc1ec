"""FlickrCI3D Signatures: the download and the files that BUDDI and ProsePose made of it (docs/datasets.md)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from prosepose_jax.datasets.layout import Log, Request, existing, find_image, first_with, made, nothing_found
from prosepose_jax.datasets.people import (
    guess_keypoints,
    read_detections,
    read_guesses,
    read_person,
    split_people,
)
from prosepose_jax.datasets.pickles import Node, read_pickle
from prosepose_jax.datasets.samples import Guess, Person, Sample, Truth
from prosepose_jax.errors import InputError
from prosepose_jax.importing.flickrci3d import AnnotatedPair, read_annotations
from prosepose_jax.importing.matching import ESTIMATE_LIMIT, match_boxes, match_people
from prosepose_jax.io._npz import read_npz
from prosepose_jax.io.pictures import picture_size
from prosepose_jax.io.scenes import NUM_REGIONS
from prosepose_jax.untrusted import as_input_error, read_json

SPLITS = ("train", "val", "test")
_NAMES = ("FlickrCI3D_Signatures", "FlickrCI3D_signature", "FlickrCI3D_Signature")
_ANNOTATIONS = "interaction_contact_signature.json"
_EXPECTED = (
    f"{{train,test}}/{{images, {_ANNOTATIONS}}} (the download), in it or in original/FlickrCI3D_Signatures",
    "{train,test}/{processed.pkl or …_optimization.pkl}, in it or in processed/FlickrCI3D_Signatures",
)


def samples(request: Request, log: Log) -> Iterator[Sample]:
    """The annotated pairs of a split, person 0 the first of `person_ids`.

    Raises:
      InputError: neither download nor processed files are there, or the split is unknown.
    """
    root = request.root
    if request.split not in SPLITS:
        raise InputError(f"--split={request.split}: FlickrCI3D has {', '.join(SPLITS)}")
    half = "test" if request.split == "test" else "train"  # val is a part of the train folder
    places = [root / half, *(root / kind / name / half for kind in ("", "processed", "original") for name in _NAMES)]
    processed = first_with(places, "processed.pkl", "*_optimization.pkl")
    download = first_with(places, _ANNOTATIONS)
    if processed is None and download is None:
        raise nothing_found("FlickrCI3D Signatures", root, _EXPECTED)
    wanted = None
    if half == "train":
        wanted = _names_of_split([folder for folder in (processed, download) if folder is not None], request.split, log)
    truths = _Truths(request.truth_fits, processed, log)
    cached = None
    if processed is not None:
        stem = request.split
        cached = existing(processed / f"{stem}{ending}_optimization.pkl" for ending in ("_bev", ""))
    if cached is not None:
        log.note(f"FlickrCI3D: read from {cached.name}")
        yield from _from_list(read_pickle(cached), download, wanted, truths, log)
    elif processed is not None and download is not None and (processed / "processed.pkl").is_file():
        log.note("FlickrCI3D: people from processed.pkl, contacts from the download")
        yield from _from_processed(read_pickle(processed / "processed.pkl"), download, wanted, truths, log)
    elif download is not None:
        log.note("FlickrCI3D: read from the download and the detector files beside its images")
        yield from _from_download(download, wanted, truths, log)
    else:
        raise InputError(f"{processed}: processed.pkl needs the download's {_ANNOTATIONS}, and it is not there")


def _names_of_split(folders: list[Path], split: str, log: Log) -> frozenset[str] | None:
    file = existing(folder / "train_val_split.npz" for folder in folders)
    if file is None:
        log.note(f"FlickrCI3D: train_val_split.npz is missing: all of the train folder is read as {split}")
        return None
    fields = read_npz(file)
    if split not in fields:
        raise InputError(f"{file}: field {split!r} is missing; found {', '.join(sorted(fields))}")
    return frozenset(Path(str(name)).stem for name in fields[split].reshape(-1))


class _Truths:
    """Pseudo ground truth: fits with the annotated contacts, and the list of those that are no good."""

    def __init__(self, folder: Path | None, processed: Path | None, log: Log) -> None:
        self._folder = folder
        self._file = None if processed is None else existing([processed / "processed_pseudogt_fits.pkl"])
        self._fits: Node | None = None
        if folder is not None and not folder.is_dir():
            raise InputError(f"{folder}: no such folder of pseudo ground truth")
        if folder is None and self._file is None:
            log.note("FlickrCI3D: no pseudo ground truth was found: contacts are annotated, errors can't be taken")

    def is_bad(self, name: str) -> bool:
        """Whether the fit was looked at and rejected: the folder of pictures is the list."""
        return self._folder is not None and find_image([self._folder / "bad_fits"], name) is not None

    def of(self, name: str) -> Truth | None:
        """The fit of a pair, `image_index`."""
        if self._folder is not None:
            file = existing(self._folder / part / f"{name}.pkl" for part in ("pkl", "results"))
            return None if file is None else _fitted_truth(read_pickle(file))
        if self._file is None:
            return None
        if self._fits is None:
            self._fits = read_pickle(self._file)
        return _fitted_truth(self._fits.get(name)) if self._fits.has(name) else None

    @property
    def required(self) -> bool:
        """Whether pairs without truth are left out, as the published evaluation does."""
        return self._folder is not None or self._file is not None


def _fitted_truth(fit: Node) -> Truth:
    humans = fit.get("humans")
    return Truth(
        np.eye(3), np.zeros(3), humans.get("global_orient").floats((2, 3)),
        humans.get("body_pose").floats((2, 63)).reshape(2, 21, 3),
        humans.get("betas").array().astype(np.float32).reshape(2, -1), humans.get("transl").floats((2, 3)),
        humans.get("scale").floats((2, 1))[:, 0] if humans.has("scale") else None,
    )  # fmt: skip


def _listed_truth(item: Node) -> Truth | None:
    names = ("global_orient", "body_pose", "betas", "transl")
    if not all(item.has(f"pgt_smplx_{name}") for name in names):
        return None
    return Truth(
        np.eye(3), np.zeros(3), item.get("pgt_smplx_global_orient").floats((2, 3)),
        item.get("pgt_smplx_body_pose").floats((2, 63)).reshape(2, 21, 3),
        item.get("pgt_smplx_betas").array().astype(np.float32).reshape(2, -1),
        item.get("pgt_smplx_transl").floats((2, 3)),
        item.get("pgt_smplx_scale").floats((2, 1))[:, 0] if item.has("pgt_smplx_scale") else None,
    )  # fmt: skip


def _finished(sample: Sample, truths: _Truths, listed: Truth | None = None) -> Sample | str:
    """The sample with its truth, or why the published subset leaves it out."""
    name = sample.key
    if truths.is_bad(name):
        return "its pseudo ground truth is a bad fit"
    truth = truths.of(name) or listed
    if truth is None and truths.required:
        return "no pseudo ground truth"
    return Sample(
        sample.key, sample.people, sample.image_size, sample.image, truth=truth, region_pairs=sample.region_pairs
    )


def _missing(people: tuple[Person, ...]) -> str:
    if any(person.guess is None for person in people):
        return "a person without a BEV estimate"
    return "a person without keypoints" if any(person.keypoints is None for person in people) else ""


def _from_list(
    content: Node, download: Path | None, wanted: frozenset[str] | None, truths: _Truths, log: Log
) -> Iterator[Sample]:
    for item in content.nodes():
        try:
            image = Path(item.get("imgname").text()).stem
            key = f"{image}_{item.get('contact_index').integer()}"
        except InputError as error:
            log.failures[f"item {item.where}"] = str(error)
            continue
        if wanted is not None and image not in wanted:
            continue
        log.count("annotated pairs")
        yield from made(log, key, _listed_sample, key, item, _image(download, image), truths)


def _listed_sample(key: str, item: Node, image: Path | None, truths: _Truths) -> Sample | str:
    found = tuple(read_person(person) for person in split_people(item))
    reason = _missing(found)
    if reason:
        return reason
    size = np.array([item.get("img_width").integer(), item.get("img_height").integer()])
    pairs = None
    if item.has("contact_map"):
        table = item.get("contact_map").array()
        if table.shape != (NUM_REGIONS, NUM_REGIONS):
            raise item.fail(f"contact_map: expected shape {(NUM_REGIONS, NUM_REGIONS)}, found {table.shape}")
        pairs = np.argwhere(table.astype(bool)).astype(np.int32)
    elif item.has("hhc_contacts_region_ids"):
        pairs = item.get("hhc_contacts_region_ids").array().astype(np.int32).reshape(-1, 2)
    return _finished(Sample(key, found, size, image=image, region_pairs=pairs), truths, _listed_truth(item))


def _from_processed(
    content: Node, download: Path, wanted: frozenset[str] | None, truths: _Truths, log: Log
) -> Iterator[Sample]:
    annotations = read_annotations(download / _ANNOTATIONS)
    ids = _person_ids(download / _ANNOTATIONS)
    for image, pairs in annotations.items():
        if wanted is not None and image not in wanted:
            continue
        log.count("images")
        for index, pair in enumerate(pairs):
            key = f"{image}_{index}"
            log.count("annotated pairs")
            shown = _image(download, image)
            yield from made(log, key, _processed_sample, key, content, image, ids[image][index], pair, shown, truths)


def _processed_sample(
    key: str,
    content: Node,
    name: str,
    people: tuple[int, int],
    pair: AnnotatedPair,
    image: Path | None,
    truths: _Truths,
) -> Sample | str:
    if not content.has(name):
        return "not in processed.pkl"
    fields = content.get(name)
    found = tuple(read_person(fields.get(p)) if fields.has(p) else Person(None, None) for p in people)
    reason = _missing(found)
    if reason:
        return reason
    size = np.array([fields.get("img_width").integer(), fields.get("img_height").integer()])
    return _finished(Sample(key, found, size, image=image, region_pairs=pair.region_pairs), truths)


def _from_download(download: Path, wanted: frozenset[str] | None, truths: _Truths, log: Log) -> Iterator[Sample]:
    for image, pairs in read_annotations(download / _ANNOTATIONS).items():
        if not pairs or (wanted is not None and image not in wanted):
            continue
        log.count("images")
        try:
            with as_input_error(image):
                file = _image(download, image)
                if file is None:
                    raise InputError(f"{download / 'images'}: no image {image}.png")
                size = np.array(picture_size(file))
                people = _matched(download, image, pairs)
        except InputError as error:
            log.count("annotated pairs", len(pairs))
            log.failures[image] = str(error)
            continue
        for index, pair in enumerate(pairs):
            key = f"{image}_{index}"
            log.count("annotated pairs")
            found = tuple(people.get(tuple(map(float, box)), Person(None, None)) for box in pair.boxes)
            yield from made(log, key, _detected_sample, key, found, size, file, pair, truths)


def _detected_sample(
    key: str, people: tuple[Person, ...], size: np.ndarray, image: Path, pair: AnnotatedPair, truths: _Truths
) -> Sample | str:
    return _missing(people) or _finished(Sample(key, people, size, image=image, region_pairs=pair.region_pairs), truths)


def _matched(download: Path, image: str, pairs: tuple[AnnotatedPair, ...]) -> dict[tuple[float, ...], Person]:
    """{annotated box: the person in it} from the detector files of an image."""
    bev = existing(folder / f"{image}_0.08.npz" for folder in (download / "bev", download / "images" / "bev"))
    if bev is None:
        raise InputError(f"{download}: no bev/{image}_0.08.npz (BEV's file of the image)")
    guesses = read_guesses(bev)
    detections = read_detections(
        [download / "vitpose" / f"{image}_keypoints.json", download / "openpose" / f"{image}.json"]
    )
    boxes = list(dict.fromkeys(tuple(map(float, box)) for pair in pairs for box in pair.boxes))
    keypoints_of = {boxes[i]: j for i, j in match_boxes(np.array(boxes), detections)} if len(detections) else {}
    shown = [guess_keypoints(guess) for guess in guesses]
    seen = np.array([points if points is not None else np.zeros((25, 3)) for points in shown]).reshape(-1, 25, 3)
    guess_of = dict(match_people(detections, seen, ESTIMATE_LIMIT)) if len(detections) else {}
    people: dict[tuple[float, ...], Person] = {}
    for box, j in keypoints_of.items():
        guess: Guess | None = guesses[guess_of[j]] if j in guess_of else None
        people[box] = Person(guess, detections[j])
    return people


def _person_ids(file: Path) -> dict[str, list[tuple[int, int]]]:
    """The indices of the boxes of each pair; `read_annotations` has checked them."""
    return {
        image: [(int(sign["person_ids"][0]), int(sign["person_ids"][1])) for sign in entry.get("ci_sign", [])]
        for image, entry in read_json(file).items()
    }


def _image(download: Path | None, name: str) -> Path | None:
    return None if download is None else find_image([download / "images"], name)
