"""The commands that look at an input folder: inspect, weights."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from synth.cli.options import Common, Data, Printing
from synth.cli.printing import print_inspection, print_weights


def inspect(
    data: Data,
    out: Annotated[
        Path | None, Option(metavar="FOLDER", help="Folder for a page with pictures and a list for --exclude.")
    ] = None,
    *,
    common: Common,
) -> int:
    """Count images and report problems in the data.

    With --out, FOLDER gets report.html, which shows the pictures of duplicates, leaks and conflicts, and exclude.txt,
    which lists what could be left out. Commands that read DATA take the list with --exclude.

    Example: synth inspect lights --out inspection
    """
    from synth.data.health import inspect as inspect_dataset

    dataset = common.dataset(data, common.recipe({}))
    found = inspect_dataset(dataset)
    written = None
    if out is not None:
        from synth.pages.inspection import write_inspection

        written = write_inspection(dataset, found, out)
    common.show(found.to_json(), lambda: print_inspection(found, dataset.synthetic, data=data, written=written))
    return common.status(incomplete=bool(found.refused))


def weights(
    data: Data,
    scheme: Annotated[
        Literal["inverse", "balanced", "effective", "sqrt"], Option(help="Formula from counts to weights.")
    ] = "inverse",
    format: Annotated[Literal["table", "torch", "keras", "json"], Option(help="How to print the weights.")] = "table",
    counts: Annotated[
        Literal["filled", "real"], Option(help="Count real and synthetic images, or real images only.")
    ] = "filled",
    *,
    common: Common,
) -> int:
    """Print a loss weight for each class.

    Example: synth weights lights
    """
    from synth.data.balance import class_weights

    dataset = common.dataset(data, common.recipe({}))
    found = class_weights(dataset, scheme, filled=counts == "filled")
    document = {"scheme": scheme, "counts": counts, "classes": found}
    as_json = common.json or format == "json"
    Printing(json=as_json).show(document, lambda: print_weights(found, format))
    return common.status(incomplete=bool(dataset.refused))
