"""Charts of a trial as inline SVG: forest plots of differences with their intervals, and dose curves.

Positions are percentages, so that a chart fits any width and its text has the size of the page's text. Shapes repeat
the meaning of the colours: a gain is a filled triangle that points up, a loss one that points down, no difference a
ring.
"""

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from synth.errors import short_name
from synth.pictures.text import number, signed

Interval = tuple[float, float]
SMALLEST_REACH = 0.005
"""Half of the smallest scale: half a point."""
STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
REACH = 4
"""A scale ends at this multiple of the median interval; a longer interval ends in an arrow."""
SHAPES = {
    "helps": '<path class="gain" d="M-6 5 0-6 6 5Z"/>',
    "hurts": '<path class="loss" d="M-6-5 0 6 6-5Z"/>',
}
RING = '<circle class="same" r="4.5"/>'
HEIGHT = 180
"""Height of a dose curve in pixels."""


@dataclass(frozen=True)
class Scale:
    """The range of differences that a column shows; it includes zero."""

    low: float
    high: float

    def percent(self, value: float) -> float:
        """Return the position of a difference, between 4 and 96."""
        inside = min(max(value, self.low), self.high)
        return round(4 + 92 * (inside - self.low) / (self.high - self.low), 2)


def interval_of(pair: object) -> Interval | None:
    """Return two finite numbers of a JSON document; None for any other value."""
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        return None
    low, high = number(pair[0]), number(pair[1])
    return None if low is None or high is None else (low, high)


def scale_of(deltas: Iterable[object], intervals: Iterable[object]) -> Scale:
    """Return a scale with round ends for all differences, and for all intervals that are not far longer than others."""
    known = [value for value in map(number, deltas) if value is not None]
    spans = [span for span in map(interval_of, intervals) if span is not None]
    usual = statistics.median([max(map(abs, span)) for span in spans]) if spans else 0.0
    reach = max([REACH * usual, SMALLEST_REACH, *map(abs, known)])
    ends = [max(min(end, reach), -reach) for span in spans for end in span]
    low, high = min([0.0, *known, *ends]), max([0.0, *known, *ends])
    wide = max(high - low, SMALLEST_REACH)
    step = next((step for step in STEPS if wide <= 4 * step), math.ceil(wide))
    low, high = step * math.floor(low / step - 0.1), step * math.ceil(high / step + 0.1)
    return Scale(low, high)


def axis(scale: Scale) -> str:
    """Draw the ends and the zero of a scale, as the head of a column."""
    marks = [(scale.low, "start"), (0.0, "middle"), (scale.high, "end")]
    texts = "".join(
        f'<text x="{scale.percent(value)}%" y="11" text-anchor="{anchor}">{signed(value) if value else "0"}</text>'
        for value, anchor in marks
        if not value or abs(scale.percent(value) - scale.percent(0)) > 12
    )
    rule = f'<line class="axis" x1="4%" x2="96%" y1="17" y2="17"/>{_zero(scale, 14, 20)}'
    return f'<svg class="forest" height="20" aria-hidden="true">{texts}{rule}</svg>'


def difference(delta: object, interval: object, word: object, *, scale: Scale, title: str) -> str:
    """Draw one row of a forest plot: the interval as a line, the difference as a mark, zero as a dashed line.

    Args:
        word: the verdict, which selects the mark.
        title: what the difference is about.
    """
    mean, span = number(delta), interval_of(interval)
    parts = [_zero(scale, 0, 22)]
    if span is not None:
        low, high = map(scale.percent, span)
        parts += [f'<line class="span" x1="{low}%" x2="{high}%" y1="11" y2="11"/>', *_ends(span, scale)]
    if mean is not None:
        shape = SHAPES.get(str(word), RING)
        parts.append(f'<svg class="spot" x="{scale.percent(mean)}%" y="11">{shape}</svg>')
    text = signed(mean) + (f" points, interval {signed(span[0])} to {signed(span[1])}" if span else " points")
    described = f"<title>{escape(title)}</title><desc>{escape(f'{text}: {word}')}</desc>"
    return f'<svg class="forest" height="22" role="img">{described}{"".join(parts)}</svg>'


def dose_curve(points: Sequence[tuple[str, object, object]], *, enough: str, title: str) -> str:
    """Draw the differences to the control over the doses: (dose, difference, interval), fewest new images first.

    Args:
        enough: the dose that gets a ring: the smallest within noise of the best.
    """
    scale = scale_of([mean for _, mean, _ in points], [span for *_, span in points])
    parts, places = [_grid(scale)], []
    for index, (dose, delta, interval) in enumerate(points):
        mean, span, x = number(delta), interval_of(interval), round(14 + 82 * (index + 0.5) / len(points), 2)
        anchor = f'<text x="{x}%" y="{HEIGHT + 16}" text-anchor="middle">{escape(short_name(dose, 12))}</text>'
        parts.append(anchor)
        if span is not None:
            low, high = (_y(end, scale) for end in span)
            parts.append(f'<line class="span" x1="{x}%" x2="{x}%" y1="{low}" y2="{high}"/>')
        if mean is not None:
            places.append((x, _y(mean, scale)))
            if dose == enough:
                parts.append(f'<circle class="enough" cx="{x}%" cy="{_y(mean, scale)}" r="10"/>')
    pairs = itertools.pairwise(places)
    parts += [f'<line class="way" x1="{a[0]}%" y1="{a[1]}" x2="{b[0]}%" y2="{b[1]}"/>' for a, b in pairs]
    parts += [f'<circle class="dot" cx="{x}%" cy="{y}" r="5"/>' for x, y in places]
    text = "; ".join(f"{dose}: {signed(delta)}{' (enough)' * (dose == enough)}" for dose, delta, _ in points)
    described = f"<title>{escape(title)}</title><desc>{escape(text)}</desc>"
    return f'<svg class="dose" height="{HEIGHT + 24}" role="img">{described}{"".join(parts)}</svg>'


def _grid(scale: Scale) -> str:
    rows = {scale.low: "rule", 0.0: "zero", scale.high: "rule"}
    return "".join(
        f'<line class="{kind}" x1="14%" x2="96%" y1="{_y(value, scale)}" y2="{_y(value, scale)}"/>'
        f'<text x="12%" y="{_y(value, scale) + 4}" text-anchor="end">{signed(value) if value else "0"}</text>'
        for value, kind in rows.items()
    )


def _y(value: float, scale: Scale) -> float:
    """Return the pixels from the top of a dose curve."""
    return round(HEIGHT * (1 - (scale.percent(value) - 4) / 92) * 0.92 + 8, 1)


def _zero(scale: Scale, top: int, bottom: int) -> str:
    place = scale.percent(0)
    return f'<line class="zero" x1="{place}%" x2="{place}%" y1="{top}" y2="{bottom}"/>'


def _ends(span: Interval, scale: Scale) -> list[str]:
    """Draw a bar at each end of an interval, or an arrow if it goes on."""
    low, high = span
    left = "M7-4 1 0 7 4" if low < scale.low else "M0-4V4"
    right = "M-7-4-1 0-7 4" if high > scale.high else "M0-4V4"
    return [
        f'<svg class="spot" x="{scale.percent(end)}%" y="11"><path class="end" d="{path}"/></svg>'
        for end, path in ((low, left), (high, right))
    ]
