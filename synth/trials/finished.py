"""A verdict read back from the `verdict.json` of a finished trial, with the four digits that are kept there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synth.errors import OutputError
from synth.measures.paired import Difference
from synth.pages.page import VERDICT, read_json
from synth.trials.arms import parse_arm
from synth.trials.results import (
    ArmScores,
    Budget,
    Comparison,
    DoseCurve,
    DosePoint,
    Refusal,
    Stop,
    TrialDesign,
    Verdict,
)


def read_verdict(out: Path) -> Verdict:
    """Read the verdict of a finished trial. Of its design, only what a verdict shows is known.

    Raises:
        OutputError: the file is damaged.
    """
    try:
        return _verdict(read_json(out / VERDICT) or {})
    except (KeyError, TypeError, AttributeError, ValueError):
        raise OutputError(f"{out / VERDICT}: damaged, or synth did not write it") from None


def _verdict(found: Mapping[str, Any]) -> Verdict:
    design = found["design"]
    arms = tuple(map(parse_arm, design["asked"]))
    trial = TrialDesign(tuple(design["classes"]), found["control"], arms, 0.0, design["alpha"], design)
    plain = {name: found[name] for name in ("advised", "design", "advice", "test", "versions", "run")}
    return Verdict(
        trial,
        budgets=tuple(map(_budget, found["budgets"])),
        do_not_use=tuple(Refusal(each["arm"], each["class"], each["reason"]) for each in found["do_not_use"]),
        stopped=tuple(Stop(each["arm"], each["split"], each["class"], each["reason"]) for each in found["stopped"]),
        doses=tuple(map(_doses, found["doses"])),
        data=found.get("data"),
        **plain,
    )


def _budget(found: Mapping[str, Any]) -> Budget:
    arms = {}
    for name, scores in found["arms"].items():
        arms[name] = ArmScores(**{**scores, "confusion": tuple(map(tuple, scores["confusion"]))})
    return Budget(found["steps"], arms, tuple(map(_comparison, found["comparisons"])))


def _comparison(found: Mapping[str, Any]) -> Comparison:
    known = (found["delta_f1"], _pair(found["interval"]), found["p"], found["detectable"])
    words = {name: found[name] for name in ("macro", "p_holm", "verdict", "note")}
    return Comparison(found["arm"], found["class"], delta=Difference(0, *known), **words)


def _doses(found: Mapping[str, Any]) -> DoseCurve:
    points = tuple(DosePoint(**{**each, "interval": _pair(each["interval"])}) for each in found["points"])
    return DoseCurve(found["arm"], points, found["smallest_within_noise"])


def _pair(values: Any) -> tuple[float, float] | None:
    return None if values is None else (values[0], values[1])
