"""A bundle: a trained network as a folder, without a pickle.

    bundle.json           format, kind, classes, input, settings, dataset, hash of the weights
    weights.safetensors   all tensors
    images.jsonl          the training images by hash, and which networks left them out
    scores.json           scores of each class, on images that the scoring network did not learn from
    README.md             a card for people; curves.png, confusions.png, stats.jsonl beside it

A bundle is built in `BUNDLE.incomplete` and appears whole, by one rename. Its bytes follow from the images and the
settings: nothing in it tells how long the training took. A foreign, damaged or hostile bundle is
refused: numbers are checked against limits before anything is allocated, and nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import reprlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from synth.data.manifest import check_path
from synth.errors import BundleError, ManifestError, OutputError
from synth.files import locked, naming, read_state, remove_work, replace_file, staging_folder, write_state
from synth.records import Item, Origin, ShortRepr
from synth.versions import NETWORKS, versions

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
CLASSIFIER, AUTOENCODER, GAN = "classifier", "autoencoder", "gan"
"""Kinds of bundles."""
INFO, WEIGHTS, SCORES, IMAGES = "bundle.json", "weights.safetensors", "scores.json", "images.jsonl"
CARD, RECIPE = "README.md", "recipe.toml"
MAX_JSON, MAX_WEIGHTS = 256 * 2**20, 4 * 2**30
SHOWN = 40  # characters of a key in a message
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Checked(BaseModel):
    """Base of what is read from a bundle: types are never converted, other keys are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)


Model = TypeVar("Model", bound=Checked)


class BundleInfo(Checked):
    """What the bundle.json of every kind has."""

    kind: str
    run: str
    classes: list[str] = Field(min_length=1)
    side: int
    network: dict[str, Any]
    members: list[Any]
    counts: dict[str, Any]
    weights_sha256: Hash

    @field_validator("classes")
    @classmethod
    def _differ(cls, names: list[str]) -> list[str]:
        if len(set(names)) != len(names):
            raise ValueError("must be different names")
        return names


class ImageRecord(Checked):
    """A line of images.jsonl."""

    path: str
    sha256: Hash
    label: str = Field(alias="class")


@dataclass(frozen=True, repr=False)
class Bundle(ShortRepr):
    """A trained network on the disk. What all kinds have in common is checked."""

    path: Path
    info: Mapping[str, Any]
    """The content of bundle.json."""
    scores: Mapping[str, Any]
    """The content of scores.json."""
    seconds: float | None = None
    """How long the training took; None if the bundle was there already."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the network knows, in the order of its outputs."""
        return tuple(self.info["classes"])

    def info_as(self, model: type[Model]) -> Model:
        """Check what one kind of network needs from bundle.json.

        Raises:
            BundleError: a value that is missing, of the wrong type or out of bounds.
        """
        try:
            return model.model_validate(self.info)
        except ValidationError as error:
            raise BundleError(f"{self.path / INFO}: {_first_problem(error)}") from None

    def tensors(self) -> dict[str, Tensor]:
        """Read all weights by name.

        Raises:
            BundleError: the file is not the one that bundle.json describes.
        """
        import safetensors.torch  # imports torch, which a look at bundle.json does not need

        path = self.path / WEIGHTS
        data = _read(path, MAX_WEIGHTS)
        if hashlib.sha256(data).hexdigest() != self.info["weights_sha256"]:
            raise BundleError(f"{path}: not the weights that {INFO} describes (damaged or exchanged)")
        try:
            return safetensors.torch.load(data)
        except Exception as error:  # the format's reader has no error class of its own for every kind of damage
            raise BundleError(f"{path}: not a safetensors file ({error})") from None

    def images(self, model: type[Model]) -> list[Model]:
        """Read images.jsonl, one record for each training image.

        Raises:
            BundleError: a line that is no such record.
        """
        records, path = [], self.path / IMAGES
        for number, line in enumerate(_read(path, MAX_JSON).splitlines(), start=1):
            try:
                records.append(model.model_validate_json(line))
            except ValidationError as error:
                problem = _first_problem(error)
                raise BundleError(f"{path}:{number}: expected one JSON record of an image ({problem})") from None
        return records

    def origins(self) -> list[tuple[Origin, str]]:
        """Return each training image and its class.

        Raises:
            BundleError: a line that is no record, a path that leads outside, a class that the bundle does not know.
        """
        records, classes = self.images(ImageRecord), set(self.classes)
        for number, record in enumerate(records, start=1):
            try:
                check_path(record.path, f"{self.path / IMAGES}:{number}")
            except ManifestError as error:
                raise BundleError(str(error)) from None
            if record.label not in classes:
                raise BundleError(f"{self.path / IMAGES}:{number}: {record.label!r} is not a class of {INFO}")
        return [(Origin(record.path, record.sha256), record.label) for record in records]


def open_bundle(path: str | Path, *kinds: str) -> Bundle:
    """Open a bundle. Its weights are read later, by `Bundle.tensors`.

    Args:
        kinds: the kinds to accept; without any, all.

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
    bundle = Bundle(path, info, _json(path / SCORES))
    kind = bundle.info_as(BundleInfo).kind
    if kinds and kind not in kinds:
        raise BundleError(f"{path}: a bundle of kind {kind!r}, expected {' or '.join(map(repr, kinds))}")
    return bundle


def complete_bundle(path: Path, kind: str) -> Bundle:
    """Open a bundle and check its weights and its list of images too.

    Raises:
        BundleError: as `open_bundle`, or one of them is missing or damaged.
    """
    bundle = open_bundle(path, kind)
    bundle.tensors()
    bundle.origins()
    return bundle


def _first_problem(error: ValidationError) -> str:
    """Return the first problem in one line: where, what was expected, what was got."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part)[:SHOWN] for part in first["loc"])
    expected = re.sub(r"^\w+ should", "must", first["msg"].removeprefix("Value error, "))
    expected = re.sub(r"a valid dictionary( or instance of \w+)?", "an object", expected)
    expected = expected.replace("Field required", "is missing")
    return " ".join(f"{where} {expected}, got {reprlib.repr(first['input'])}".split())


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
    """Return a hash of all that decides the weights of a network: images, settings, seed, versions."""
    lines = [[item.id, item.label, item.group, item.sha256] for item in items]
    parts = [versions(NETWORKS), lines, list(classes), list(settings), seed]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


@contextlib.contextmanager
def training_folder(out: Path, run: str, *, record: str = INFO) -> Iterator[Path | None]:
    """Yield the folder to train in; None if `out` is the complete result of this run.

    The same run finds its earlier files there.

    Args:
        record: the JSON file of a complete `out` that names its run.

    Raises:
        LockedError: another training holds the folder.
        OutputError: `out` holds something else, or beside it is an unfinished training on other data or with other
            settings.
    """
    work = staging_folder(out)
    with locked(out):
        if os.path.lexists(out):
            if _run_of(out / record) != run:
                raise OutputError(f"{out} exists, and is not the result of this command: choose another folder")
            read_state(work)  # a folder of someone else is refused, not removed
            remove_work(work)
            yield None
            return
        state = read_state(work)
        if state is not None and state["run"] != run:
            raise OutputError(
                f"{work} holds an unfinished training on other data or settings: give the same command to resume it, "
                f"or remove it with: synth undo {out}"
            )
        write_state(work, run)
        yield work


def _run_of(record: Path) -> object:
    try:
        return json.loads(record.read_text("utf-8"))["run"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def publish(
    work: Path, out: Path, *, info: Mapping[str, Any], tensors: Mapping[str, Tensor], files: Mapping[str, bytes]
) -> Bundle:
    """Write a bundle to `out`, and remove the folder that the network was trained in."""
    import safetensors.torch

    weights = safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    document = {"format": FORMAT, **info, "weights_sha256": hashlib.sha256(weights).hexdigest()}
    about = json.dumps(document, indent=1, allow_nan=False).encode()
    put_in_place(work, out, {**files, WEIGHTS: weights, INFO: about})
    return open_bundle(out, str(info["kind"]))


def put_in_place(work: Path, out: Path, files: Mapping[str, bytes]) -> None:
    """Let a folder of finished files appear as `out`, by one rename, and remove the folder that it was made in."""
    ready = work / "ready"
    with naming(ready):
        shutil.rmtree(ready, ignore_errors=True)
        ready.mkdir()
    for name, data in files.items():
        replace_file(ready / name, data)
    with naming(out):
        os.rename(ready, out)
    remove_work(work)
