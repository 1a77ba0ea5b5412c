"""A bundle: a trained network as a folder, without a pickle.

    bundle.json           what it is: format, kind, classes, input, settings, dataset, hash of the weights
    weights.safetensors   all tensors
    images.jsonl          the training images by hash, and which networks left them out
    scores.json           per-class scores on images that the scoring network did not learn from
    README.md             a card for people; curves.png, confusions.png, stats.jsonl beside it

It is built in `BUNDLE.incomplete` and appears whole, by one rename. Reading refuses what is not of this package,
damaged or hostile: numbers are checked against limits before anything is allocated, and nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from synth.data.manifest import check_path
from synth.errors import BundleError, ManifestError, OutputError
from synth.files import locked, replace_file, staging_folder, this_process
from synth.records import Item, Origin
from synth.versions import NETWORKS, versions

FORMAT = 1
CLASSIFIER, AUTOENCODER, GAN = "classifier", "autoencoder", "gan"
"""Kinds of bundles."""
INFO, WEIGHTS, SCORES, IMAGES = "bundle.json", "weights.safetensors", "scores.json", "images.jsonl"
CARD, RECIPE = "README.md", "recipe.toml"
MAX_JSON, MAX_WEIGHTS = 256 * 2**20, 4 * 2**30
_TYPES: Mapping[str, type] = {
    "kind": str,
    "run": str,
    "classes": list,
    "side": int,
    "network": dict,
    "members": list,
    "counts": dict,
}
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Bundle:
    """A trained network on the disk, checked."""

    path: Path
    info: Mapping[str, Any]
    """What bundle.json says."""
    scores: Mapping[str, Any]
    """What scores.json says."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the network knows, in the order of its outputs."""
        return tuple(self.info["classes"])

    def tensors(self) -> dict[str, Tensor]:
        """All weights by name.

        Raises:
            BundleError: not the file that bundle.json describes.
        """
        path = self.path / WEIGHTS
        data = _read(path, MAX_WEIGHTS)
        if hashlib.sha256(data).hexdigest() != self.info["weights_sha256"]:
            raise BundleError(f"{path}: not the weights that {INFO} describes (damaged or exchanged)")
        try:
            return safetensors.torch.load(data)
        except Exception as error:  # the format's reader has no error class of its own for every kind of damage
            raise BundleError(f"{path}: not a safetensors file ({error})") from None

    def images(self) -> list[Mapping[str, Any]]:
        """One record for each training image of a classifier, with its fold and its scores.

        Raises:
            BundleError: a line that is none.
        """
        return self._records(_is_image)

    def origins(self) -> list[tuple[Origin, str]]:
        """Each training image, and its class.

        Raises:
            BundleError: a line that names none, a path that leads outside, a class that the bundle does not know.
        """
        records = self._records(_is_named)
        try:
            for number, record in enumerate(records, start=1):
                check_path(record["path"], f"{self.path / IMAGES}:{number}")
        except ManifestError as error:
            raise BundleError(str(error)) from None
        foreign = next((record["class"] for record in records if record["class"] not in self.classes), None)
        if foreign is not None:
            raise BundleError(f"{self.path / IMAGES}: {foreign!r} is no class of {INFO}")
        return [(Origin(record["path"], record["sha256"]), record["class"]) for record in records]

    def _records(self, is_good: Callable[[Mapping[str, Any]], bool]) -> list[Mapping[str, Any]]:
        lines = _read(self.path / IMAGES, MAX_JSON).decode("utf-8", "replace").splitlines()
        try:
            records = [json.loads(line) for line in lines]
            if all(is_good(record) for record in records):
                return records
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        raise BundleError(f"{self.path / IMAGES}: expected one JSON record of an image in each line")


def open_bundle(path: str | Path, *kinds: str) -> Bundle:
    """Read what a bundle says of itself; its weights are read when they are asked for.

    Args:
        kinds: what it may be a bundle of; without any: of anything.

    Raises:
        BundleError: no bundle, one of another kind or format, or a damaged one.
    """
    path = Path(path)
    if not (path / INFO).is_file():
        hint = "; a file of weights alone is never opened" if path.is_file() else ""
        raise BundleError(f"{path}: expected the folder of a trained network, with {INFO}{hint}")
    info = _json(path / INFO)
    if info.get("format") != FORMAT:
        raise BundleError(f"{path / INFO}: format {info.get('format')!r}, but this version of synth reads {FORMAT}")
    for key, expected in _TYPES.items():
        if not isinstance(info.get(key), expected):
            raise BundleError(f"{path / INFO}: {key} can't be {info.get(key)!r}")
    if kinds and info["kind"] not in kinds:
        raise BundleError(f"{path}: a bundle of kind {info['kind']!r}, expected {' or '.join(map(repr, kinds))}")
    names = info["classes"]
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise BundleError(f"{path / INFO}: classes must be different names")
    if not _HASH.fullmatch(str(info.get("weights_sha256"))):
        raise BundleError(f"{path / INFO}: weights_sha256 is no hash")
    return Bundle(path, info, _json(path / SCORES))


def _is_image(record: Mapping[str, Any]) -> bool:
    scores = record["scores"]
    named = isinstance(record["class"], str) and _HASH.fullmatch(record["sha256"])
    return bool(named) and isinstance(record["fold"], int) and all(isinstance(scores[k], int | float) for k in scores)


def _is_named(record: Mapping[str, Any]) -> bool:
    texts = [record[key] for key in ("path", "class", "sha256")]
    return all(isinstance(text, str) and text.encode() for text in texts) and bool(_HASH.fullmatch(texts[-1]))


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_read(path, MAX_JSON))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise BundleError(f"{path}: expected a JSON object")
    return document


def _read(path: Path, limit: int) -> bytes:
    try:
        if not path.is_file() or path.stat().st_size > limit:
            raise BundleError(f"{path}: expected a file of at most {limit / 2**20:.0f} MB")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from None


def run_id(items: Sequence[Item], classes: Sequence[str], settings: Sequence[Mapping[str, Any]], *, seed: int) -> str:
    """Changes with anything that decides about a network's weights: images, settings, seed, versions."""
    lines = [[item.id, item.label, item.group, item.sha256] for item in items]
    parts = [versions(NETWORKS), lines, list(classes), list(settings), seed]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


@contextlib.contextmanager
def training_folder(out: Path, run: str) -> Iterator[Path]:
    """A folder to train in; the same run finds what it left there.

    Raises:
        LockedError: another training holds it.
        OutputError: something else stands at `out`, or an unfinished training of other data or settings beside it.
    """
    work = staging_folder(out)
    with locked(out):
        if os.path.lexists(out):
            raise OutputError(f"{out} exists: choose another folder, or move it away")
        _check_run(work, run)
        work.mkdir(parents=True, exist_ok=True)
        replace_file(work / "run.json", json.dumps({"run": run, **this_process()}).encode())
        yield work


def _check_run(work: Path, run: str) -> None:
    if not work.exists():
        return
    try:
        found = json.loads((work / "run.json").read_text("utf-8"))["run"]
    except (OSError, ValueError, KeyError, TypeError):
        raise OutputError(f"{work} is in the way and no unfinished work of synth: move it away") from None
    if found != run:
        raise OutputError(f"{work} holds unfinished work on other data or settings: resume that, or remove it")


def publish(
    work: Path, out: Path, *, info: Mapping[str, Any], tensors: Mapping[str, Tensor], files: Mapping[str, bytes]
) -> Bundle:
    """Put a bundle together and give it its place; the folder that it was trained in goes."""
    ready = work / "bundle"
    shutil.rmtree(ready, ignore_errors=True)
    ready.mkdir()
    weights = safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    document = {"format": FORMAT, **info, "weights_sha256": hashlib.sha256(weights).hexdigest()}
    contents = {**files, WEIGHTS: weights, INFO: json.dumps(document, indent=1, allow_nan=False).encode()}
    for name, data in contents.items():
        replace_file(ready / name, data)
    os.rename(ready, out)
    shutil.rmtree(work)
    return open_bundle(out, str(info["kind"]))
