"""Which folders are splits and which are classes, from the names of folders and the places of images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.data.findings import Finding, few, n_images
from synth.data.splits import SPLIT_WORDS, has_split_word, known_elsewhere, split_hint, split_of
from synth.errors import DatasetError
from synth.records import PARENT_SPLIT

HF = "Hugging Face datasets"


@dataclass(frozen=True)
class Tree:
    """The folders of a dataset, two levels deep, and its images."""

    root: Path
    inner: Mapping[str, Sequence[str]]
    """{folder at the root: the folders in it}."""
    images: Sequence[str]
    """Paths below the root."""

    def holds_images(self, name: str) -> bool:
        """Whether images lie directly in a folder at the root."""
        return any(path.startswith(f"{name}/") and path.count("/") == 1 for path in self.images)


@dataclass(frozen=True)
class Layout:
    """Where the class folders are."""

    places: Mapping[str, str]
    """{folder below the root that holds class folders, with a final slash: its split}; {"": "train"} without splits."""
    findings: Sequence[Finding] = ()

    @property
    def train_folder(self) -> str:
        """The folder that holds the class folders with training images."""
        return next((place for place, split in self.places.items() if split == PARENT_SPLIT), f"{PARENT_SPLIT}/")


def read_layout(tree: Tree) -> Layout:
    """Tell splits from classes.

    Raises:
        DatasetError: folders named like splits beside class folders, or without class folders in them.
    """
    splits = {name: split for name in tree.inner if (split := split_of(name))}
    named = {name: split for name in tree.inner if (split := _like_split(name))}
    if splits and len(splits) == len(tree.inner):
        return _by_split(tree, splits)
    sure = _share_classes(tree, named)
    if sure and len(named) == len(tree.inner):  # seg_train and seg_test
        return _by_split(tree, named)
    if deep := [name for name in (named if sure else splits) if tree.inner[name]]:
        others = few(name for name in tree.inner if name not in deep)
        raise DatasetError(
            f"{tree.root}: split folders ({few(deep)}) beside other folders ({others}): move those elsewhere or into "
            f"the splits; or, if all of them are classes, move all into one folder {PARENT_SPLIT}"
        )
    return Layout({"": PARENT_SPLIT}, [*_wrapped(tree), *_classes_like_splits(list(named), files='"DATA/**"')])


def _share_classes(tree: Tree, named: Mapping[str, str]) -> bool:
    """Whether a training folder and another split's folder hold class folders of the same name."""
    train = {label for name, split in named.items() if split == PARENT_SPLIT for label in _classes_in(tree, name)}
    other = {label for name, split in named.items() if split != PARENT_SPLIT for label in _classes_in(tree, name)}
    return bool(train & other)


def _classes_in(tree: Tree, name: str) -> set[str]:
    """Return the class folders that a split's folder would have."""
    place = _unwrapped(tree, name)
    if place.count("/") == 1:
        return set(tree.inner[name])
    return {path.split("/")[2] for path in tree.images if path.startswith(place)}


def _by_split(tree: Tree, splits: Mapping[str, str]) -> Layout:
    if not any(tree.inner.values()) and any(map(tree.holds_images, splits)):
        raise DatasetError(
            f"{tree.root}: folders named like splits ({few(splits)}) hold images and no class folders. If they are "
            f"splits, sort the images into class folders; if they are classes, move them into one folder {PARENT_SPLIT}"
        )
    places = {_unwrapped(tree, name): split for name, split in splits.items()}
    like_splits = sorted(filter(_like_split, {label for name in splits for label in _classes_in(tree, name)}))
    files = ", ".join(f'"{split}": "DATA/{place}**"' for place, split in places.items())
    return Layout(places, [*_read_as(splits), *_classes_like_splits(like_splits, files=f"{{{files}}}")])


def _unwrapped(tree: Tree, name: str) -> str:
    """Return the folder that holds the class folders of a split: train/train/ if train/ holds only that."""
    (only, *others) = tree.inner[name] or [""]
    inside = f"{name}/{only}/"
    has_folders = any(path.startswith(inside) and path.count("/") > 2 for path in tree.images)
    alone = not others and not tree.holds_images(name)
    return inside if alone and has_folders and _like_split(only) == _like_split(name) else f"{name}/"


def _like_split(name: str) -> str | None:
    return split_of(name) or split_hint(name)


def _read_as(splits: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding if a split is not called by one of the common words."""
    if all(name in SPLIT_WORDS for name in splits):
        return
    read = ", ".join(f"{name} as {split}" for name, split in splits.items() if name not in SPLIT_WORDS)
    unknown = [name for name in splits if not known_elsewhere(name)]
    advice = f"; {HF} does not take {few(unknown)} for a split: call them train, val and test" if unknown else ""
    yield Finding("split_names", (), f"folders read as splits: {read}{advice}")


def _classes_like_splits(names: Sequence[str], *, files: str) -> Iterator[Finding]:
    """Yield a finding about class folders that other readers take for splits.

    Args:
        names: of the class folders.
        files: how Hugging Face datasets is told to read all images.
    """
    if names:
        message = (
            f"a class named like a split is a class here ({few(names)}), but {HF} takes it for a split and mixes up or "
            f"leaves out images: rename it, or load with data_files={files}"
        )
        yield Finding("class_named_like_split", (), message)


def files_like_splits(paths: Mapping[str, str]) -> Iterator[Finding]:
    """Yield a finding about files that other readers take for those of a split.

    Args:
        paths: {id: path in an output} of a dataset without split folders.
    """
    named = [id for id, path in paths.items() if has_split_word(path.rpartition("/")[2])]
    if named:
        what = f"{n_images(len(named))} with a file name like a split's ({few(named[:1])})"
        harm = f"in a folder without splits {HF} reads only such files, so not the new images"
        message = f'{what}: {harm}; load with data_files="DATA/**", or put all class folders into one folder train'
        yield Finding("file_named_like_split", tuple(named), message)


def _wrapped(tree: Tree) -> Iterator[Finding]:
    """Yield a finding if the only folder holds folders: an archive that was unpacked one level too deep.

    Raises:
        DatasetError: these are splits.
    """
    name, *others = tree.inner or [""]
    if not name or others or not tree.inner[name] or tree.holds_images(name):
        return
    if any(map(split_of, tree.inner[name])) or len(set(filter(None, map(split_hint, tree.inner[name])))) > 1:
        raise DatasetError(
            f"{tree.root} holds only the folder {name} with {few(tree.inner[name])}: give {tree.root / name}"
        )
    holds = f"all images lie in the one folder {name}, which holds the folders {few(tree.inner[name])}"
    yield Finding(
        "wrapped", (), f"{holds}: if these are the classes, give {tree.root / name}; here {name} is the class"
    )


def nested_findings(nested: Sequence[tuple[str, str, Sequence[str]]]) -> Iterator[Finding]:
    """Yield findings about images in folders inside class folders.

    Args:
        nested: of each such image its id, its split, and the folders between class folder and file.
    """
    if not nested:
        return
    held_out = [id for id, split, inner in nested if split == PARENT_SPLIT and _last_split(inner) not in (None, split)]
    if held_out:
        folder = held_out[0].rpartition("/")[0]
        what = f"{n_images(len(held_out))} in folders named like another split inside class folders ({folder})"
        advice = "the outer folder decides, so they count as train and may become parents: move them to test/CLASS/..."
        yield Finding("split_inside_class", tuple(held_out), f"{what}: {advice}")
    folder = nested[0][0].rpartition("/")[0]
    yield Finding(
        "layout",
        (),
        f"folders inside class folders ({folder}): their images belong to the outer class. {HF} takes the inner folder "
        "for the class; an output has no inner folders",
    )


def _last_split(folders: Sequence[str]) -> str | None:
    return next(filter(None, map(_like_split, reversed(folders))), None)
