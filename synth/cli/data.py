"""The commands that look at an input folder: inspect, weights."""

from typing import Annotated, Literal

from typer import Option

from synth.cli.options import Common, Data, Printing
from synth.cli.printing import print_inspection, print_weights


def inspect(data: Data, common: Common) -> int:
    """Count images and report problems in the data.

    Example: synth inspect lights
    """
    from synth.data.health import inspect as inspect_dataset

    dataset = common.dataset(data, common.recipe({}))
    found = inspect_dataset(dataset)
    common.show(found.to_json(), lambda: print_inspection(found, dataset.synthetic))
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
