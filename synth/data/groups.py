"""Groups of images: patients, scenes or videos. A value that means "unknown" is no group."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from synth.data.findings import Finding, n_images
from synth.data.tree import FoundFile, shown
from synth.errors import UsageError

UNKNOWN = frozenset(["", "-", "?", "nan", "none", "null", "na", "n/a", "<na>", "#n/a", "nat", "unknown"])
"""Words for "no group", in lower case: an empty cell as pandas, NumPy, R, Python, JSON and spreadsheets write it."""


def known_group(value: str | None) -> str | None:
    """Return a group's name; None if the value means that it is not known."""
    return None if value is None or value.strip().casefold() in UNKNOWN else shown(value)


def with_groups(files: Sequence[FoundFile], pattern: str, sources: Mapping[str, str]) -> list[FoundFile]:
    """Return the files with their groups: that of a table or manifest, or else what the pattern finds in the path.

    Args:
        files: images, with the groups that a table or manifest gives.
        pattern: regular expression, as in `data.groups`; "" for none.
        sources: {id: path of the image in the dataset that an output was made from}.

    Raises:
        UsageError: the pattern matches no path.
    """
    if not pattern or not files:
        return list(files)
    search = re.compile(pattern).search
    matches = {file.id: search(sources.get(file.id, file.id)) for file in files}
    found = {id: known_group(match[1 if match.re.groups else 0]) for id, match in matches.items() if match}
    if not found:
        raise UsageError(f'data.groups "{pattern}" matches no path, such as {files[0].id}: no image has a group')
    return [replace(file, group=file.group or found.get(file.id)) for file in files]


def group_findings(groups: Sequence[str | None]) -> Iterator[Finding]:
    """Yield findings about the groups of all images, where there should be some."""
    known = Counter(filter(None, groups))
    n_without = len(groups) - known.total()
    if n_without:
        what = f"{n_without} of {n_images(len(groups))} have no group (empty, or a word for unknown)"
        yield Finding("no_group", (), f"{what}: each of them counts as a group of its own")
    if len(known) == 1 and not n_without and len(groups) > 1:
        message = f"all images are of one group ({next(iter(known))}), so no split can keep groups apart"
        yield Finding("one_group", (), message)
