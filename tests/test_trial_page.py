"""The page of a trial: what it says, that it holds against any document, and how it looks in a browser."""

from __future__ import annotations

import base64
import io
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, picture

from synth.errors import OutputError
from synth.output.root_files import is_our_page
from synth.pages.trial_page import render_trial, telling_classes, write_trial_page
from synth.pictures import charts

CLASSES = {"red": (578, 145), "yellow": (28, 7), "green": (343, 86)}
"""{class: images to learn from, images held out}."""
CONTROL, BEST, SHAM = "duplicate+online", "augment+online", "shams:Noise+duplicate"
ARMS = {
    "none": (-0.041, "hurts", ""),
    "weights:balanced": (-0.012, "no difference", "p 0.031 alone, but 0.19 among 8 arms"),
    "logit-adjust": (0.004, "no difference", ""),
    "duplicate": (-0.021, "no difference", ""),
    CONTROL: None,
    BEST: (0.018, "helps", ""),
    "smote+duplicate+online": (0.003, "no difference", ""),
    SHAM: (-0.063, "hurts", ""),
    "augment@2x+online": (0.013, "no difference", ""),
}
"""{arm: (gain in macro-F1, verdict, note)}."""
HOSTILE = ("<script>alert(1)</script>", '" onload="x', "שלום {{ 7*7 }}", "a" * 150)


def scores(gain: float, classes: tuple[str, ...], *, n: int = 1) -> dict[str, Any]:
    """An arm's scores; n images of the first class are wrong."""
    rows = {}
    for place, label in enumerate(classes):
        f1 = round(0.95 - 0.1 * (place % 3) + gain, 4)
        rows[label] = {"precision": f1 + 0.02, "recall": f1 - 0.02, "f1": f1, "average_precision": f1 + 0.03}
    matrix = [[100 if a == b else n if a == 0 else 0 for b in range(len(classes))] for a in range(len(classes))]
    new = 40 if gain > 0 else 0
    return {
        "seeds": 2,
        "splits": 5,
        "classes": rows,
        "macro_f1": round(0.9 + gain, 4),
        "macro_f1_std": 0.011,
        "balanced_accuracy": 0.88 + gain,
        "worst_recall": 0.71 + gain,
        "confusion": matrix,
        "fitted": 0.987,
        "images": {
            label: {"real": float(CLASSES.get(label, (30 + 10 * place, 7))[0]), "new": new}
            for place, label in enumerate(classes)
        },
        "stopped": {},
    }


def compared(arm: str, label: str, *, macro: bool = False) -> dict[str, Any]:
    delta, verdict, note = ARMS.get(arm) or (0.0, "no difference", "")
    interval = [round(delta - 0.015, 4), round(delta + 0.015, 4)]
    tested = {"p": 0.04, "p_holm": 0.2, "detectable": 0.026, "verdict": verdict, "note": note}
    return {"arm": arm, "class": label, "macro": macro, "delta_f1": delta, "interval": interval, **tested}


def document(arms: tuple[str, ...] = tuple(ARMS), classes: tuple[str, ...] = tuple(CLASSES)) -> dict[str, Any]:
    """A verdict with all that there is."""
    told = {arm: scores((ARMS.get(arm) or (0.0,))[0], classes, n=7) for arm in arms}
    comparisons = [
        entry
        for arm in arms
        if arm != CONTROL
        for entry in (*(compared(arm, label) for label in classes), compared(arm, "macro", macro=True))
    ]
    short = [{**entry, "verdict": "no difference"} if entry["arm"] == "none" else entry for entry in comparisons]
    test = {"intervals": {"f1": [0.71, 0.93], "recall": [0.66, 0.94]}, "n": 12, "note": "only 12 images"}
    own = {label: {**row, **test} for label, row in scores(0.01, classes)["classes"].items()}
    own_scores = {
        "classes": own,
        "labels": list(classes),
        "macro_f1": 0.9123,
        "balanced_accuracy": 0.9,
        "confusion": [],
    }
    points = [
        {"dose": dose, "arm": arm, "macro_f1": 0.9 + delta, "interval": [delta - 0.02, delta + 0.02], "delta_f1": delta}
        for dose, arm, delta in (("1x", "none", -0.04), ("2x", "augment@2x+online", 0.013), ("majority", BEST, 0.018))
    ]
    return {
        "steps": 1200,
        "arms": told,
        "comparisons": comparisons,
        "control": CONTROL,
        "advised": BEST,
        "advice": f"Use {BEST}: macro-F1 +1.8 (interval +0.3 to +3.3) against {CONTROL}. The second sentence. A third.",
        "do_not_use": [{"arm": SHAM, "class": "yellow", "reason": "recall of yellow fell by 21.0 points"}],
        "budgets": [
            {"steps": 400, "arms": told, "comparisons": short},
            {"steps": 1200, "arms": told, "comparisons": comparisons},
        ],
        "doses": [{"arm": "augment+online", "points": points, "smallest_within_noise": "2x"}],
        "test": {"arms": {CONTROL: own_scores, BEST: own_scores}, "n": dict.fromkeys(classes, 12)},
        "design": {
            "held_out": 0.2,
            "keep": {},
            "backbone": "small",
            "side": 32,
            "asked": list(arms),
            "shares": None,
            "splits": 5,
            "seeds": 2,
            "classes": {
                label: {"train": float(CLASSES.get(label, (30, 7))[0]), "held_out": 7.4, "needed": 1234}
                for label in classes
            },
        },
        "stopped": [{"arm": SHAM, "split": 3, "class": "yellow", "reason": "2 % of its images passed the judge"}],
        "examples": None,
        "seconds": 433.5,
        "versions": {"synth": "0.1.0", "torch": "2.14.1"},
    }


def pictures() -> dict[str, Any]:
    buffer = io.BytesIO()
    picture("yellow", 1).save(buffer, "PNG")
    shot = {"png": base64.b64encode(buffer.getvalue()).decode(), "path": "train/yellow/yellow-001.jpg", "split": 0}
    gained = {**shot, "truth": "yellow", "control": "red", "arm": "yellow"}
    lost = {**shot, "truth": "yellow", "control": "yellow", "arm": "green"}
    return {"arm": BEST, "control": CONTROL, "classes": {"yellow": {"gained": [gained], "lost": [lost, lost]}}}


def many() -> dict[str, Any]:
    """30 arms with long names, 100 classes."""
    arms = (
        CONTROL,
        BEST,
        *(f"undersample:cluster@10x+shams.module:Name{n}@majority+duplicate+online" for n in range(28)),
    )
    return document(arms, tuple(f"class with a long name {n:03d}" for n in range(100)))


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.words = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        return len(self.named(tag))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def folder(out: Path, verdict: Any, examples: Any = None) -> Path:
    out.mkdir(exist_ok=True)
    (out / "verdict.json").write_text(json.dumps(verdict), "utf-8")
    if examples is not None:
        (out / "examples.json").write_text(json.dumps(examples), "utf-8")
    return out


def test_it_tells_the_whole_story() -> None:
    page = Page(render_trial(document(), pictures()))
    for said in (
        "The second sentence. A third.",
        "recall of yellow fell by 21.0 points",
        "p 0.031 alone, but 0.19 among 8 arms",
        "2 % of its images passed the judge",
        "only 12 images",
        "▲ helps",
        "▼ hurts",
        "○ no difference",
        "+1.8",
        "+0.3 to +3.3",
        "After 400 steps",
        "looked at once",
        "91.2",  # macro-F1 on the own test images
        "1 234",  # images that would settle it
        "2.6",  # the smallest difference seen
        "2x (ringed) is the smallest dose within noise",
        "7 min 13 s",
        "0.1.0",
    ):
        assert said in page.words, said
    assert f"Use {BEST}: macro\u2011F1 +1.8 (interval +0.3 to +3.3) against {CONTROL}." in page.words
    assert page.words.index("Do not use") < page.words.index("Arms")


def test_first_come_advised_and_control_with_the_rarest_class() -> None:
    words = Page(render_trial(document(), None)).words
    first = words[words.index("In points of 100") :]
    assert first.index("F1 of yellow") < first.index(f"{BEST}advised") < first.index(f"{CONTROL}the control")


def test_a_class_of_one_image_is_in_no_headline() -> None:
    verdict = document()
    verdict["design"]["classes"]["yellow"] = {"train": 0.7, "held_out": 0.3, "needed": None}
    words = Page(render_trial(verdict, None)).words
    top = words[words.index("In points of 100") : words.index("All strategies")]
    assert "F1 of green" in top
    assert "yellow" not in top
    assert telling_classes(verdict)[0] == "green"


def test_the_title_is_not_cut_and_the_commands_are_real(tmp_path: Path) -> None:
    verdict = {**document(), "data": "../lights", "advised": "augment@2x+online"}
    verdict["advice"] = (
        f"Use augment@2x+online: {'macro-F1 +1.8 (interval +0.3 to +3.3), ' * 5}against {CONTROL}. More."
    )
    text = render_trial(verdict, None)
    assert "<title>Use augment@2x+online \u2013 synth trial</title>" in text
    words = Page(text).words
    assert "dataset lights" in words
    fill = "synth generate ../lights ../balanced --recipe recipe.toml --method augment --target 2x --judge ../judge"
    again = f"synth trial ../lights ../verdict-2 --recipe recipe.toml --arms {','.join(ARMS)} --control {CONTROL}"
    assert words.index("Next") < words.index(fill) < words.index(again) < words.index("All strategies")


def test_where_words_differ_after_another_length_it_is_said() -> None:
    verdict = document()
    assert "no difference here, hurts at 1 200" in Page(render_trial(verdict, None)).words
    verdict["budgets"][0]["comparisons"] = verdict["comparisons"]
    assert "the same verdicts" in Page(render_trial(verdict, None)).words


def test_every_arm_and_class_is_there() -> None:
    for verdict in (document(), many()):
        page = render_trial(verdict, None)
        words = Page(page).words
        assert [arm for arm in verdict["arms"] if arm not in words] == []
        assert [label for label in verdict["design"]["classes"] if label not in words] == []
        assert ("Worst class" in words) == (len(verdict["design"]["classes"]) == 100)
        assert len(page) < 2_000_000


def test_the_same_documents_give_the_same_bytes(tmp_path: Path) -> None:
    first = write_trial_page(folder(tmp_path / "one", document(), pictures()))
    assert first == tmp_path / "one" / "report.html"
    page = first.read_bytes()
    assert write_trial_page(tmp_path / "one").read_bytes() == page  # over its own page
    assert write_trial_page(folder(tmp_path / "two", document(), pictures())).read_bytes() == page
    assert str(tmp_path).encode() not in page
    assert page.decode() == render_trial(document(), pictures())


def test_pictures_say_who_was_right(tmp_path: Path) -> None:
    page = Page(render_trial(document(), pictures()))
    shown = page.named("img")
    assert len(shown) == 3
    assert all("yellow" in str(image["alt"]) for image in shown)
    broken = pictures()
    broken["classes"]["yellow"] = {"gained": [{"png": '"><script>'}, {"png": 7}, {}], "lost": "none"}
    assert not {"script"} & {tag for tag, _ in Page(render_trial(document(), broken)).tags}


def test_hostile_names_are_text() -> None:
    def page_of(names: tuple[str, ...]) -> Page:
        verdict = document((CONTROL, *names), names)
        verdict["advised"] = names[0]
        for key in ("do_not_use", "stopped"):
            verdict[key] = [{"arm": names[0], "class": names[1], "reason": names[0], "split": names[0]}]
        verdict["design"]["keep"] = {names[0]: names[0]}
        shown = {names[0]: pictures()["classes"]["yellow"]}
        return Page(render_trial(verdict, {**pictures(), "arm": names[0], "classes": shown}))

    page, harmless = page_of(HOSTILE), page_of(("one", "t wo", "t h re e", "four"))
    assert Counter(tag for tag, _ in page.tags) == Counter(tag for tag, _ in harmless.tags)
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    for label in HOSTILE[:3]:
        assert label in page.text


def parts(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all parts of a document; of lists the first two entries."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, part in inner:
        yield (*way, key)
        yield from parts(part, (*way, key))


MISSING = "missing"


@pytest.mark.parametrize("wrong", [MISSING, None, "text", 7, [], [None], {}, {"x": 1}, True, -1e9])
def test_any_part_may_be_missing_or_of_another_kind(wrong: object) -> None:
    whole, examples = document((CONTROL, BEST), ("red", "yellow")), pictures()
    whole["budgets"][1] = {"steps": whole["steps"]}  # no more of it is read: it is what stands above
    for way in parts(whole):
        changed = json.loads(json.dumps(whole))
        holder = changed
        for key in way[:-1]:
            holder = holder[key]
        if wrong == MISSING:
            del holder[way[-1]]
        else:
            holder[way[-1]] = wrong
        assert "<h1" in render_trial(changed, None if wrong == MISSING else examples), way


@pytest.mark.parametrize(
    "verdict",
    [
        {},
        {"arms": {}},
        {"arms": {"none": {}}},
        {"arms": {"none": None}, "budgets": [{}]},
        {"arms": {"none": None}, "advice": None, "comparisons": None},
        {"arms": {"none": {"classes": {"": {}}, "confusion": [[1, 2]]}}, "design": {"classes": {"": None}}},
        {"arms": {"none": {"classes": {label: {"precision": None, "f1": None} for label in CLASSES}}}},
        {**dict.fromkeys(document(), 7), "arms": {"none": {}}},
        {**dict.fromkeys(document(), "x"), "arms": {"none": 3}},
        {**document(), "doses": [{}], "test": {"arms": {"x": None}}, "stopped": [{}], "do_not_use": [{}]},
    ],
)
def test_what_is_missing_is_not_known(verdict: dict[str, Any]) -> None:
    for examples in ({}, {"classes": 7}):
        page = Page(render_trial(verdict, examples))
        assert page.count("h1") == 1
        assert "not known" in page.words.lower()
        assert "None" not in page.words


def test_nothing_refers_to_elsewhere_and_each_drawing_has_words() -> None:
    page = Page(render_trial(document(), pictures()))
    links = [str(attributes[key]) for _, attributes in page.tags for key in ("src", "href") if key in attributes]
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert all(link.startswith("data:") or (link[:1] == "#" and link[1:] in ids) for link in links)
    assert len(ids) == sum("id" in attributes for _, attributes in page.tags)
    assert len(page.named("h1")) == len(page.named("main")) == 1
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert len(page.named("caption")) == len(page.named("table"))
    assert all("scope" in cell for cell in page.named("th"))
    drawn = [attributes for attributes in page.named("svg") if attributes.get("role") == "img"]
    assert len(page.named("desc")) == len(drawn) > 8 * 4
    assert all("aria-hidden" in a or "role" in a or a.get("class") == "spot" for a in page.named("svg"))
    assert not page.named("script")


def test_a_damaged_folder_is_one_clear_error(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OutputError, match=r"no verdict\.json"):
        write_trial_page(tmp_path)
    out = folder(tmp_path / "out", document())
    for damaged in ("{", "[]", "[1]", "{}", '{"other": 1}', '{"arms": 3}', "\0"):
        (out / "verdict.json").write_text(damaged)
        with pytest.raises(OutputError, match=r"verdict\.json: damaged, or synth did not write it") as error:
            write_trial_page(out)
        assert "\n" not in str(error.value)
    (out / "verdict.json").write_bytes(b"\xff\xfe")
    assert run("report", out) != 0
    told = capsys.readouterr().err
    assert "verdict.json" in told
    assert "Traceback" not in told
    for damaged in ("[1]", "["):
        folder(out, document())
        (out / "examples.json").write_text(damaged)
        with pytest.raises(OutputError, match=r"examples\.json"):
            write_trial_page(out)
    assert not (out / "report.html").exists()


def test_a_page_of_someone_else_stays(tmp_path: Path) -> None:
    out = folder(tmp_path / "out", document())
    (out / "report.html").write_text("an older page")
    with pytest.raises(OutputError, match="in the way"):
        write_trial_page(out)
    assert (out / "report.html").read_text() == "an older page"


def test_report_writes_the_page_of_a_trial(tmp_path: Path, run: Run) -> None:
    out = folder(tmp_path / "out", document(), pictures())
    assert run("report", out) == 0
    assert is_our_page(out / "report.html")
    assert (out / "report.html").read_text("utf-8") == render_trial(document(), pictures())


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


@pytest.mark.parametrize("verdict", [document(), many(), document((CONTROL, *HOSTILE), HOSTILE), {}])
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser_without_scripts(browser: Any, tmp_path: Path, width: int, verdict: dict[str, Any]) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_trial(verdict, pictures()), "utf-8")
    context = browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 800})
    page, messages, requests = context.new_page(), [], []
    page.on("console", lambda message: messages.append(message.text))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    assert page.locator("h1").is_visible()
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth)")
    assert messages == []
    assert all(url == path.as_uri() or url.startswith("data:") for url in requests)
    context.close()
