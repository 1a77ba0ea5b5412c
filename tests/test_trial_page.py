"""The page of a trial."""

import base64
import io
import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from synth.cli.app import app
from synth.errors import OutputError
from synth.output.root_files import is_our_page
from synth.pages.trial_page import render_trial, write_trial_page
from synth.pictures import charts

HOSTILE = '<script>alert("1")</script>&\'x'
CLASSES = ("green", "red", "yellow")
ARMS = ("none", "duplicate+online", "smote+duplicate+online")


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def scores(f1: float, classes: Sequence[str] = CLASSES) -> dict[str, Any]:
    of_class = {"precision": f1, "recall": f1 / 2, "f1": f1, "average_precision": None}
    n = len(classes)
    return {
        "classes": dict.fromkeys(classes, of_class),
        "macro_f1": f1,
        "macro_f1_std": 0.01,
        "balanced_accuracy": f1,
        "worst_recall": f1 / 2,
        "confusion": [[5 if row == column else 1 for column in range(n)] for row in range(n)],
        "fitted": 1.0,
        "images": {label: {"real": 10.0 * (n - at), "new": 4.0} for at, label in enumerate(classes)},
    }


def compared(arm: str, label: str, word: str, delta: float = 0.02) -> dict[str, Any]:
    known = {"delta_f1": delta, "interval": [delta - 0.015, delta + 0.5], "detectable": 0.031, "note": ""}
    return {"arm": arm, "class": label, "macro": label == "macro", **known, "verdict": word}


def verdict(classes: Sequence[str] = CLASSES, arms: Sequence[str] = ARMS) -> dict[str, Any]:
    words = ["helps", "hurts", "no difference"]
    pairs = [(arm, label) for arm in arms if arm != arms[1] for label in (*classes, "macro")]
    comparisons = [compared(arm, label, words[place % 3]) for place, (arm, label) in enumerate(pairs)]
    table = {arm: scores(0.9 - 0.01 * place, classes) for place, arm in enumerate(arms)}
    other = [compared(arm, label, "no difference", -0.4) for arm, label in pairs]
    points = [{"dose": dose, "delta_f1": delta, "interval": [-0.01, 0.05]} for dose, delta in (("2x", 0.01), ("4x", 0))]
    return {
        "arms": table,
        "comparisons": comparisons,
        "control": arms[1],
        "advised": arms[0],
        "advice": f"Use {arms[0]}: macro-F1 +2.0. The rest is noise.",
        "do_not_use": [{"arm": arms[-1], "class": classes[0], "reason": "it fell by 4 points"}],
        "steps": 600,
        "budgets": [
            {"steps": 200, "arms": table, "comparisons": other},
            {"steps": 600, "arms": table, "comparisons": comparisons},
        ],
        "doses": [{"arm": "smote", "points": points, "smallest_within_noise": "2x"}],
        "test": {"arms": {arms[0]: scores(0.7, classes)}, "n": dict.fromkeys(classes, 6)},
        "design": {
            "splits": 5,
            "seeds": 2,
            "groups": None,
            "classes": {
                label: {"train": 50.0 - at, "held_out": 4.5, "needed": 1400} for at, label in enumerate(classes)
            },
        },
        "stopped": [{"arm": arms[-1], "split": 1, "class": classes[0], "reason": "2 % passed"}],
        "seconds": 75.2,
        "versions": {"synth": "0.1.0"},
    }


def examples(label: str = "yellow") -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    shown = {"path": f"train/{label}/7.png", "truth": label, "control": "red", "arm": label, "split": 0}
    pictures = [{**shown, "png": base64.b64encode(buffer.getvalue()).decode()}, {**shown, "png": '"><b>'}]
    return {"arm": "none", "control": "duplicate+online", "classes": {label: {"gained": pictures, "lost": []}}}


def folder(out: Path, document: object, pictures: object = None) -> Path:
    out.mkdir()
    (out / "verdict.json").write_text(json.dumps(document), "utf-8")
    if pictures is not None:
        (out / "examples.json").write_text(json.dumps(pictures), "utf-8")
    return out


def test_it_tells_the_whole_story() -> None:
    text = Page(render_trial(verdict(), examples())).text
    for told in (
        *ARMS,
        *CLASSES,
        "Use none: macro-F1 +2.0.",
        "The rest is noise.",
        "Do not use",
        "it fell by 4 points",
    ):
        assert told in text
    for told in (
        "▲ helps",
        "▼ hurts",
        "○ no difference",
        "After 200 steps",
        "looked at once",
        "2 % passed",
        "1 min 15 s",
    ):
        assert told in text
    assert "+2.0" in text
    assert "+0.5 to +52.0" in text
    assert "1\u202f400" in text
    assert "is the smallest dose within noise" in text
    assert text.index("Do not use") < text.index("Arms")


def test_first_come_advised_and_control_with_the_rarest_class() -> None:
    text = Page(render_trial(verdict(), None)).text
    first = text[text.index("In points of 100") : text.index("Sections") if "Sections" in text else None]
    assert first.index("F1 of yellow") < first.index("advised") < first.index("the control")


def test_where_words_differ_at_another_budget_it_is_said() -> None:
    text = Page(render_trial(verdict(), None)).text
    assert "no difference here, helps at 600" in text
    same = verdict()
    same["budgets"][0]["comparisons"] = same["comparisons"]
    assert "the same verdicts" in Page(render_trial(same, None)).text


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"arms": {}},
        {"arms": {"none": None}, "advice": None, "comparisons": None},
        {"arms": {"none": {"classes": {"": {}}, "confusion": [[1, 2]]}}, "design": {"classes": {"": None}}},
        {**dict.fromkeys(verdict(), 7), "arms": {"none": {}}},
        {**dict.fromkeys(verdict(), "x"), "arms": {"none": 3}},
        {
            **verdict(),
            "doses": [{}],
            "test": {"arms": {"x": None}},
            "stopped": [{}],
            "do_not_use": [{}],
            "budgets": [{}],
        },
    ],
)
def test_what_is_missing_is_not_known(document: dict[str, Any]) -> None:
    page = Page(render_trial(document, {"classes": 7}))
    assert page.count("h1") == 1
    assert "not known" in page.text.lower()


def test_one_arm_alone_and_all_classes_unmeasured() -> None:
    document = verdict(arms=("none", "none"))
    document["arms"]["none"] = {"classes": {label: dict.fromkeys(("precision", "f1")) for label in CLASSES}}
    assert "not known" in Page(render_trial(document, None)).text


def test_hostile_names_are_text() -> None:
    classes, arms = (HOSTILE, "red"), ("none", "online", f"package.{HOSTILE}:Name")
    page = Page(render_trial(verdict(classes, arms), examples(HOSTILE)))
    assert page.count("script") == 0
    assert page.count("b") == Page(
        render_trial(verdict(("a", "red"), ("none", "online", "p:Name")), examples("a"))
    ).count("b")
    assert HOSTILE in page.text


def test_many_arms_and_classes_are_all_there() -> None:
    classes, arms = [f"class-{n}" for n in range(100)], [f"smote@{n}" for n in range(30)]
    document = verdict(classes, arms)
    page = render_trial(document, None)
    text = Page(page).text
    assert all(name in text for name in (*classes, *arms))
    assert "Worst class" in text
    assert len(page) < 2_000_000


def test_it_is_the_same_each_time_and_refers_to_nothing() -> None:
    document, pictures = verdict(), examples()
    page = render_trial(document, pictures)
    assert page == render_trial(json.loads(json.dumps(document)), pictures)
    tags = Page(page).tags
    links = [value for _, attributes in tags for key, value in attributes.items() if key in ("src", "href")]
    assert all(str(link).startswith(("#", "data:")) for link in links)
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link for link in links if str(link).startswith("#")} <= {f"#{id}" for id in ids}
    assert sum(tag == "img" for tag, _ in tags) == 1  # the other is no PNG
    assert all("aria-hidden" in a or "role" in a or a.get("class") == "spot" for tag, a in tags if tag == "svg")


def test_the_command_writes_it(tmp_path: Path) -> None:
    out = folder(tmp_path / "trial", verdict(), examples())
    result = CliRunner().invoke(app, ["report", str(out)])
    assert result.exit_code == 0, result.output
    assert is_our_page(out / "report.html")
    assert (out / "report.html").read_text("utf-8") == render_trial(verdict(), examples())


@pytest.mark.parametrize("damaged", ["{", "[]", "{}", '{"arms": 3}', "\x00"])
def test_damaged_documents_are_refused_in_one_line(tmp_path: Path, damaged: str) -> None:
    out = folder(tmp_path / "trial", verdict(), examples())
    (out / "verdict.json").write_text(damaged, "utf-8")
    with pytest.raises(OutputError, match=r"verdict\.json: damaged, or not of synth") as error:
        write_trial_page(out)
    assert "\n" not in str(error.value)
    assert not (out / "report.html").exists()


def test_no_trial_and_a_page_of_someone_else(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(OutputError, match=r"no verdict\.json"):
        write_trial_page(tmp_path / "empty")
    out = folder(tmp_path / "trial", verdict(), "[")
    with pytest.raises(OutputError, match=r"examples\.json"):
        write_trial_page(out)
    (out / "examples.json").unlink()
    (out / "report.html").write_text("mine", "utf-8")
    with pytest.raises(OutputError, match="in the way"):
        write_trial_page(out)


def test_a_scale_holds_zero_and_every_difference() -> None:
    scale = charts.scale_of([0.02, -0.03, None], [[-0.05, 0.01], [0.0, 0.04], None, [-9, 9]])
    assert scale.low <= -0.05
    assert scale.high >= 0.04
    assert scale.percent(-9) == 4
    assert scale.percent(9) == 96
    assert charts.scale_of([], []).low < 0 < charts.scale_of([], []).high


@pytest.mark.parametrize(("word", "mark"), [("helps", "gain"), ("hurts", "loss"), ("no difference", "same")])
def test_each_word_has_its_own_shape(word: str, mark: str) -> None:
    scale = charts.scale_of([0.02], [[0.01, 0.03]])
    drawn = charts.difference(0.02, [0.01, 0.03], word, scale=scale, title="<b>")
    assert f'class="{mark}"' in drawn
    assert "<title>&lt;b&gt;</title><desc>+2.0 points, interval +1.0 to +3.0: " + word in drawn
