"""Findings about single files: their levels, transparency, orientation, profile and damage."""

from collections.abc import Iterator, Sequence

from synth.data.findings import Finding, about, group_by
from synth.data.levels import USUAL, kind_of
from synth.records import BLANK_STD, Item

DARK_MAX = 0.1
"""An image is dark if its mean plus two standard deviations (0..1) is at most this; light is the opposite."""
NOTES = (
    ("animated", "first_frame_only", "with several frames or pages: only the first is used"),
    ("extension", "odd_extension", "with the extension of another format: the content decides; correct the name"),
    (
        "alpha",
        "alpha",
        "with transparent pixels: most readers show the colours stored below them, and so does synth; if your own code "
        "lays them on a colour, set data.background to it",
    ),
    (
        "turned",
        "exif_turned",
        "that EXIF turns: readers that ignore the tag, such as torchvision, show them lying; new images have the tag "
        "too and lie in the same way",
    ),
    (
        "profile",
        "colour_profile",
        "with a colour profile other than sRGB: pixels are not converted, and new images have their parent's profile",
    ),
    (
        "mended",
        "mended",
        "with damage outside their pixels, such as stray bytes, which readers skip: save them again to be safe",
    ),
    (
        "unopened",
        "unopened",
        "with broken metadata: OpenCV and browsers read them, but Pillow does not, so torchvision and datasets fail on "
        "them: save them again",
    ),
)


UNKEPT = {"1": "one bit", "P": "a palette", "PA": "a palette", "CMYK": "CMYK", "LAB": "LAB", "YCbCr": "YCbCr"}
"""{mode of Pillow that new images do not keep: in words}."""
NEARLY_BLANK = {
    "only_alpha": "that show a picture only by their transparency, so most readers see one colour: set data.background",
    "blank": "with the same level in all pixels: remove if nothing is visible",
    "dark levels": "almost completely dark, with levels {0} only: check that the class is visible",
    "light levels": "almost completely light, with levels {0} only: check that the class is visible",
}
"""{kind of finding, and a word: message about images up to `BLANK_STD`}."""


def noted(items: Sequence[Item]) -> Iterator[Finding]:
    """Yield a finding for each kind of file that readers do not agree on."""
    for note, kind, message in NOTES:
        yield from about(kind, [item for item in items if note in item.notes], message)


def unkept_modes(items: Sequence[Item]) -> Iterator[Finding]:
    """Yield a finding about files whose mode new images do not keep."""
    converted = [item for item in items if item.encoding.mode in UNKEPT]
    words = sorted({UNKEPT[item.encoding.mode] for item in converted})
    message = f"stored as {' and '.join(words)}: new images are RGB or grey; convert all when you load them"
    yield from about("unkept_mode", converted, message)


def mode(item: Item) -> str:
    """Return the channels and the depth of a file."""
    form = item.encoding
    depth = kind_of(form.mode) or "16-bit" * form.wide_colour
    return f"{depth} {'grey' if item.grey_file else 'colour'}".strip()


def levels(items: Sequence[Item]) -> Iterator[Finding]:
    """Yield findings about images that are blank, dark, light, or have a range of levels of their own."""
    by_kind = group_by(items, map(_contrast, items))
    for kind, message in NEARLY_BLANK.items():
        found = by_kind.get(kind, [])
        yield from about(kind.partition(" ")[0], found, message.format(_span(found)))
    rest = by_kind.get("", [])
    dark = [item for item in rest if item.mean + 2 * item.std <= DARK_MAX]
    light = [item for item in rest if item.mean - 2 * item.std >= 1 - DARK_MAX]
    for kind, found in (("dark", dark), ("light", light)):
        if len(found) < len(items) / 2:  # otherwise it is the nature of the data
            yield from about(kind, found, f"almost completely {kind}: check that the class is visible")
    yield from _own_ranges(items)


def _contrast(item: Item) -> str:
    """Return the kind of an image that is nearly blank, a key of `NEARLY_BLANK`, or nothing."""
    if item.std > BLANK_STD:
        return ""
    if "alpha" in item.notes and item.encoding.alpha:
        return "only_alpha"
    if item.extent[0] == item.extent[1]:
        return "blank"
    return "dark levels" if item.mean < 0.5 else "light levels"


def _span(items: Sequence[Item]) -> str:
    lows, highs = zip(*(item.extent for item in items), strict=True) if items else ((0,), (0,))
    return f"{min(lows):g} to {max(highs):g}"


def _own_ranges(items: Sequence[Item]) -> Iterator[Finding]:
    by_range = group_by(items, (item.encoding.levels for item in items))
    for own, found in by_range.items():
        if own is not None and own not in USUAL[kind_of(found[0].encoding.mode)]:
            shown = f"with levels {own[0]:g} to {own[1]:g} only: the judge, comparisons and pages use this range"
            yield from about("own_levels", found, f"{shown}, and new images stay in it")
