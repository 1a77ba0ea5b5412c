"""The data card (README.md) of an output folder, for people who find the folder."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synth.data.manifest import MANIFEST, read_manifest
from synth.errors import OutputError
from synth.output.root_files import CARD_MARK, SUMMARY
from synth.pictures.text import table_cell
from synth.records import PARENT_SPLIT

_FILLED = """---
license: other
task_categories:
- image-classification
tags:
- synthetic
---
{mark}
# Image dataset with synthetic images

This dataset holds real images and synthetic images made from real training images. The training split:

| class | real | synthetic |
|---|---|---|
{rows}

* Last run: `{run}`, method `{method}`, seed {seed}, synth {version}.
* `manifest.jsonl` has one line per image: whether it is synthetic, its parents, parameters and scores. `recipe.toml`
  holds every setting. `synth verify` checks all files, and `synth verify --remake ID` makes one image again.
* Only the training split has synthetic images. Images of other splits are unchanged, and no image was made from them.
* Synthetic images are derived from their parents, so the licence of the parents applies. The owner must state it.
* Limits: a synthetic image shows only what its parents or its simulator show. Test on held-out real images whether the
  synthetic images help a classifier.
"""
_UNDERSAMPLED = """{mark}
# Image dataset with fewer images of its large classes

This dataset holds real images only. The training split:

| class | before | kept | near-duplicates removed | selected by |
|---|---|---|---|---|
{rows}

* Run `{run}`, `{method}`, seed {seed}, synth {version}.
* Other splits are complete. No image was changed; the original dataset was only read.
* `manifest.jsonl` has one line per image, and `recipe.toml` holds every setting. `synth verify` checks all files.
  `synth generate THIS OUT` fills the rare classes.
"""


def card_of(out: Path, *, summary: str = SUMMARY, without: str | None = None) -> bytes | None:
    """Return the card of an output folder from its summary and its manifest; None without a summary or a run.

    Args:
        summary: name of the summary in the folder.
        without: a run that is left out.

    Raises:
        OutputError: the summary is damaged.
    """
    real, new, has_run = Counter[str](), Counter[str](), False
    for row in read_manifest(out / MANIFEST):
        if row.run != without or row.method is None:
            has_run = has_run or row.method is not None
            real[row.label] += not row.synthetic and row.split == PARENT_SPLIT
            new[row.label] += row.synthetic and row.path is not None
    if not has_run or not (out / summary).is_file():
        return None
    totals = {label: (real[label], new[label]) for label in sorted(real.keys() | new.keys())}
    try:
        found = json.loads((out / summary).read_text("utf-8"))
        return (undersampled_card(found) if "thinned" in found else filled_card(found, totals)).encode()
    except (ValueError, KeyError, TypeError, AttributeError):
        raise OutputError(f"{out / summary}: damaged, or synth did not write it: move it away") from None


def filled_card(summary: Mapping[str, Any], totals: Mapping[str, tuple[int, int]]) -> str:
    """Return the card (in Hugging Face's form) of a filled dataset.

    Args:
        summary: the document of `summary.json`.
        totals: {class: (real, synthetic)} in the training split.
    """
    return _fill(_FILLED, summary, [f"| {table_cell(c)} | {real} | {new} |" for c, (real, new) in totals.items()])


def undersampled_card(summary: Mapping[str, Any]) -> str:
    """Return the card of an undersampled dataset from the document of its `summary.json`."""
    rows = [
        f"| {table_cell(c)} | {s['real']} | {s['kept']} | {s['duplicates']} | {table_cell(s['method'] or '')} |"
        for c, s in summary["thinned"].items()
    ]
    return _fill(_UNDERSAMPLED, summary, rows)


def _fill(text: str, summary: Mapping[str, Any], rows: list[str]) -> str:
    facts = {"run": summary["run"], "seed": summary["seed"], "method": table_cell(summary["method"])}
    return text.format(mark=CARD_MARK, rows="\n".join(rows), version=summary["versions"]["synth"], **facts)
