"""Whether all splits have the same classes, and so number them alike."""

from collections.abc import Iterator

from synth.data.dataset import Dataset
from synth.data.findings import Finding, few
from synth.records import PARENT_SPLIT, SPLITS


def class_numbers(dataset: Dataset) -> Iterator[Finding]:
    """Yield findings about classes that a split lacks, and about the numbers that the others get there.

    torchvision's ImageFolder numbers the class folders of one split, so a missing class moves the numbers of the rest.
    """
    train = [label for label, counts in dataset.counts.items() if counts.get(PARENT_SPLIT)]
    for split in SPLITS[1:]:
        here = [label for label, counts in dataset.counts.items() if counts.get(split)]
        missing = [label for label in train if label not in here]
        if here and missing:
            message = f"{split} has no image of {few(missing)}: no score on {split} can tell anything about it"
            yield Finding("class_missing", (), message)
        moved = [label for label in here if label in train and train.index(label) != here.index(label)]
        if moved:
            numbers = f"{here.index(moved[0])} in {split} and {train.index(moved[0])} in train"
            foreign = [label for label in here if label not in train]
            first = f", after you take {few(foreign)} out of {split}" if foreign else ""
            line = f"{split} = ImageFolder(PATH, target_transform=lambda i: train.class_to_idx[{split}.classes[i]])"
            what = f"torchvision's ImageFolder gives a class other numbers ({few(moved[:1])}: {numbers})"
            yield Finding("class_numbers", (), f"{what}. Right is {line}{first}")
