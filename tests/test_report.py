"""The report page: what it says, that it holds against anything in the folder, and how it looks in a browser."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run, make_dataset
from PIL import Image

import synth
from synth.data.manifest import read_manifest
from synth.errors import ManifestError, OutputError
from synth.pages.album import BUDGET
from synth.pages.folder import Spread, read_folder
from synth.pages.report import write_report
from synth.pages.thumbnails import on_one_scale, shrunk
from synth.pictures.text import percent
from synth.records import Row

HOSTILE = ('<b onclick="x">&', "שלום {{ 7*7 }}", "🦜 parrot'")


def generated(data: Path, out: Path, **settings: Any) -> Path:
    recipe = synth.Recipe.model_validate({"seed": 7, **settings})
    synth.generate(synth.open_dataset(data), None, recipe, out)
    return out


@pytest.fixture
def out(lights: Path, tmp_path: Path) -> Path:
    return generated(lights, tmp_path / "out", target={"yellow": 12})


@pytest.fixture
def mixed(lights: Path, tmp_path: Path) -> Path:
    """9 new images, each between two originals."""
    return generated(lights, tmp_path / "mixed", method="smote", target={"yellow": 12})


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text("utf-8")) if path.exists() else {}
    change(document)
    path.write_text(json.dumps(document), "utf-8")


def add_judge(summary: dict[str, Any]) -> None:
    row = {"n": 12, "precision": 0.9, "recall": 0.8, "f1": 0.85, "average_precision": 0.9, "note": "only 3 images"}
    row["intervals"] = {"recall": [0.5, 0.95]}
    labels = sorted(summary["classes"])
    matrix = [[9 if i == j else 1 for j in range(len(labels))] for i in range(len(labels))]
    scores = {"classes": dict.fromkeys(labels, row), "labels": labels, "macro_f1": 0.85, "confusion": matrix}
    summary["judge"] = {"path": "/home/secret/judge", "digest": "ab" * 32, "scores": {"out_of_fold": scores}}
    summary["policy"] = [{"effect": "hue", "class": labels[-1], "n": 9, "before": 0.9, "after": 0.2, "loses": True}]
    for entry in summary["classes"].values():
        entry.update(acceptance=0.4, real_acceptance=0.97, switched_off=False)


def add_quality(quality: dict[str, Any], label: str) -> None:
    varied = {"score": 0.8, "real": 0.8, "verdict": "yes"}
    words = {"realistic": {"score": 0.3, "real": 0.9, "verdict": "no"}, "varied": varied}
    measures = {"n": 9, "on_class": 0.996, "kid": 0.004, "kid_interval": [0.001, 0.009], "density": None}
    quality["classes"] = {label: {"synthetic": measures, "words": words, "note": "no held-out image"}}
    quality["bad"] = [label]


def add_rejected(rejected: dict[str, Any], label: str) -> None:
    file = io.BytesIO()
    Image.fromarray(np.full((8, 6), 90, np.uint8)).save(file, "PNG")
    shared = {"class": label, "scores": {"classifier": 0.03, "classes": {"red": 0.9}}}
    thumbnail = base64.b64encode(file.getvalue()).decode()
    rejected["images"] = [
        {**shared, "id": f"{label}/x/{i}", "reasons": [reason], "thumbnail": thumbnail}
        for i, reason in enumerate(["off_class"] * 20 + ["<i>own</i>"])
    ] + [{**shared, "id": "broken", "reasons": ["copy"], "thumbnail": "no base64!"}, "nonsense"]


def filled(out: Path, label: str) -> Path:
    """The folder with all that a judge, a check and the gates leave there."""
    edit(out / "summary.json", add_judge)
    edit(out / "quality.json", lambda document: add_quality(document, label))
    edit(out / "rejected.json", lambda document: add_rejected(document, label))
    return out


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_same_folder_gives_the_same_bytes(out: Path, tmp_path: Path) -> None:
    filled(out, "yellow")
    shutil.copytree(out, tmp_path / "elsewhere" / "copy")
    first = write_report(out)
    assert first == out / "report.html"
    assert first.read_bytes() == write_report(out).read_bytes()
    page = write_report(tmp_path / "elsewhere" / "copy").read_bytes()
    assert page == first.read_bytes()
    assert str(tmp_path).encode() not in page
    assert b"/home/secret" not in page


def test_it_tells_the_story_of_a_plain_run(out: Path) -> None:
    page = Page(write_report(out))
    assert "9 new images of yellow: 3 → 12" in " ".join(page.text.split())
    assert "Fulfilled." in page.text
    assert "Not used." in page.text
    words = " ".join(page.text.split())
    assert "dataset lights" in words
    assert "synth generate ../lights . --recipe recipe.toml" in words
    steps = words[words.index("Next") : words.index("Counts")]
    commands = ("train classifier ../lights ../judge", "check . --judge ../judge", "trial ../lights ../verdict")
    places = [steps.index(f"synth {command}") for command in commands]
    assert places == sorted(places)
    assert len([image for image in page.named("img") if str(image["alt"]).startswith("Accepted")]) == 8


def test_it_tells_of_judge_policy_quality_and_rejected(out: Path) -> None:
    page = Page(write_report(filled(out, "yellow")))
    words = " ".join(page.text.split())
    for said in (
        "Scored every candidate.",
        "Some change the class: hue on yellow",
        "Do not use the new images of yellow. Realistic: no. Varied: yes.",
    ):
        assert said in words, said
    assert "only 3 images" in words
    assert "0.50 to 0.95" in words
    assert "99.6" in words  # nearly all is not all
    rejected = [str(image["alt"]) for image in page.named("img") if str(image["alt"]).startswith("Rejected")]
    assert len(rejected) == 7  # eight chosen, each reason in its turn, and one of them is broken
    assert any("<i>own</i>" in alt for alt in rejected)
    assert "no file to show" in words


def test_a_class_that_fell_short_comes_first_with_its_reason(out: Path) -> None:
    change = {"accepted": 4, "short": 5, "switched_off": True, "note": "switched off: the gates passed 31 %"}
    edit(out / "summary.json", lambda summary: summary["classes"]["yellow"].update(change))
    words = " ".join(Page(write_report(out)).text.split())
    assert "Fell short in 1 class. yellow got 4 of 9 planned images: switched off: the gates passed 31 %." in words
    assert "Fulfilled" not in words


def test_fulfilled_is_said_only_where_the_target_is_reached(
    lights: Path, tmp_path: Path, run: Run, capsys: Any
) -> None:
    told = "Below target in 1 class. yellow has 9 of 12 images (cap of 2 new images per real one: the target needs 9)."
    options = ("--cap", "2", "--quiet", "--workers", 1)
    assert run("generate", lights, tmp_path / "capped", *options) == 0
    assert told in capsys.readouterr().out
    words = " ".join(Page(tmp_path / "capped/report.html").text.split())
    assert told in words
    assert "Fulfilled" not in words
    assert run("generate", lights, tmp_path / "filled", "--quiet", "--workers", 1) == 0
    sentence = "Fulfilled. Every class has as many images as its target."
    assert sentence in capsys.readouterr().out
    assert sentence in " ".join(Page(tmp_path / "filled/report.html").text.split())


def told_by(run: Run, capsys: Any, *arguments: Any) -> str:
    assert run("generate", *arguments, "--quiet", "--workers", 1) in (0, 3)
    return " ".join(capsys.readouterr().out.split())


def test_missing_images_mean_the_same_everywhere_and_in_a_rerun(
    lights: Path, tmp_path: Path, run: Run, capsys: Any
) -> None:
    out = tmp_path / "out"
    told_by(run, capsys, lights, out, "--target", "yellow=9")
    again = told_by(run, capsys, lights, out, "--cap", "2", "--target", "yellow=12")
    fresh = told_by(run, capsys, lights, tmp_path / "fresh", "--cap", "2", "--target", "yellow=12")
    page = " ".join(Page(tmp_path / "fresh/report.html").text.split())
    sentence = "yellow has 9 of 12 images (cap of 2 new images per real one: the target needs 9)."
    assert all(sentence in text for text in (again, fresh, page))
    assert "yellow 3 6 0 12 3" in again  # real, made before, new, target, missing
    assert "yellow 3 6 12 3" in fresh
    assert re.search("needs 9 ?3 ?6 ?9 ?12 ?3", page)  # real, new, now, target, missing


def test_copies_among_the_originals_are_no_images_of_a_plan_that_counts_pictures(
    tmp_path: Path, run: Run, capsys: Any
) -> None:
    data = make_dataset(tmp_path / "data", {"": {"red": 8, "yellow": 2}})
    for n in range(3):
        shutil.copy(min((data / "yellow").iterdir()), data / f"yellow/copy-{n}.jpg")
    told = told_by(run, capsys, data, tmp_path / "out", "--count", "distinct", "--cap", "1")
    assert "yellow has 4 of 8 images (cap of 1 new images per distinct picture: the target needs 6)." in told


def test_the_pass_rate_is_one_number(lights: Path, tmp_path: Path) -> None:
    effects = synth.Recipe().augment.effects
    only_mirrored = {name: {"p": 0.5 * (name == "flip_horizontal")} for name in type(effects).model_fields}
    out = generated(lights, tmp_path / "out", target={"yellow": 40}, augment={"effects": only_mirrored})
    entry = json.loads((out / "summary.json").read_text())["classes"]["yellow"]
    facts = read_folder(out).classes["yellow"]
    assert entry["rejected"].get("repeat", 0) > 0
    assert [round(tally.share or 0, 4) for tally in facts.methods.values()] == [entry["acceptance"]]


def test_a_class_of_one_image_is_in_no_headline(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"train": {"only one": 1, "some": 4}})
    out = generated(data, tmp_path / "out")
    edit(out / "summary.json", add_judge)
    lost = [{"effect": "hue", "class": "only one", "n": 9, "before": 0.9, "after": 0.2, "loses": True}]
    edit(out / "summary.json", lambda summary: summary.update(policy=lost))
    page = Page(write_report(out))
    top = " ".join(page.text.split()).partition("Training images of each class")[0]
    assert "3 new images in 1 class" in top
    assert "Some change the class" not in top
    assert "n/a" not in top


def test_hostile_names_and_values_are_text(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"train": dict(zip(HOSTILE, (3, 4, 5), strict=True))}, suffix=".png")
    out = filled(generated(data, tmp_path / "out", target=6), HOSTILE[0])
    edit(out / "summary.json", lambda summary: summary["warnings"].append("<script>alert(1)</script>"))
    page = Page(write_report(out))
    assert not {"script", "b onclick", "i"} & {tag for tag, _ in page.tags}
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    for label in HOSTILE:
        assert label in page.text


@pytest.mark.parametrize("wrong", [None, [], "text", 7, {"yellow": None}, {"yellow": {"words": [1], "synthetic": "x"}}])
def test_values_of_another_kind_do_no_harm(out: Path, wrong: object) -> None:
    edit(out / "summary.json", lambda summary: summary.update(judge={"scores": wrong}, policy=wrong, warnings=wrong))
    edit(out / "quality.json", lambda quality: quality.update(classes=wrong))
    edit(out / "rejected.json", lambda rejected: rejected.update(images=wrong))
    edit(out / "verdict.json", lambda verdict: verdict.update(comparisons=wrong))
    assert "9 new images" in Page(write_report(out)).text


def test_an_older_summary_is_enough(out: Path) -> None:
    def strip(summary: dict[str, Any]) -> None:
        for key in set(summary) - {"run", "classes"}:
            del summary[key]
        summary["classes"] = {label: {"accepted": entry["accepted"]} for label, entry in summary["classes"].items()}

    edit(out / "summary.json", strip)
    (out / "recipe.toml").unlink()
    assert "9 new images of yellow" in " ".join(Page(write_report(out)).text.split())


def test_nothing_refers_to_elsewhere_and_each_picture_has_words(out: Path) -> None:
    page = Page(write_report(filled(out, "yellow")))
    links = [value for _, attributes in page.tags for key in ("src", "href") if (value := attributes.get(key))]
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert links
    assert all(link.startswith("data:") or link.removeprefix("#") in ids for link in links)
    assert all(image["alt"] for image in page.named("img"))
    assert len(page.named("h1")) == len(page.named("main")) == 1
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert len(page.named("caption")) == len(page.named("table"))
    assert all("scope" in cell for cell in page.named("th"))
    assert len(ids) == sum("id" in attributes for _, attributes in page.tags)
    policy = next(
        str(meta["content"]) for meta in page.named("meta") if "Content-Security" in str(meta.get("http-equiv"))
    )
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


@pytest.mark.parametrize("link", ["copy", "hard", "sym"])
def test_originals_may_be_links(lights: Path, tmp_path: Path, link: str) -> None:
    out = generated(lights, tmp_path / "out", target={"yellow": 5}, output={"link": link})
    page = Page(write_report(out))
    assert sum("of yellow" in str(image["alt"]) and "Real" in str(image["alt"]) for image in page.named("img")) == 3
    assert "no file to show" not in page.text


def test_new_images_alone_name_parents_that_are_not_there(lights: Path, tmp_path: Path) -> None:
    out = generated(lights, tmp_path / "out", target={"yellow": 5}, output={"only_new": True})
    words = " ".join(Page(write_report(out)).text.split())
    assert "2 new images of yellow: 3 → 5" in words
    assert "The real images are not in this folder" in words
    assert "from yellow-" in words


def families_of(path: Path) -> list[list[str]]:
    """The words of the pictures that stand beside each other: real, new or rejected."""
    families = path.read_text("utf-8").split('<div class="family">')[1:]
    return [re.findall(r'<figure class="(\w+)">', family.split("</div>\n</div>")[0]) for family in families]


@pytest.mark.parametrize("method", ["augment", "smote"])
def test_each_new_image_stands_beside_what_it_was_made_from(lights: Path, tmp_path: Path, method: str) -> None:
    out = generated(lights, tmp_path / "out", method=method, target={"yellow": 12})
    made = {row.id: row for row in read_manifest(out / "manifest.jsonl") if row.synthetic}
    first = next(iter(made.values()))
    rejected = {"id": first.id, "class": "yellow", "reasons": ["near_copy"], "scores": {}, "thumbnail": ""}
    edit(out / "rejected.json", lambda document: document.update(images=[rejected]))
    page = write_report(out)
    n_parents = 1 if method == "augment" else 2
    families = families_of(page)
    assert sum(family.count("new") for family in families) == 8
    assert sum(family.count("rejected") for family in families) == 1
    for family in families:
        assert [place for place, word in enumerate(family) if word == "real"] == [0, len(family) - 1][:n_parents]
    told = Page(page)
    words = " ".join(told.text.split())
    assert ("the dot is where it lies between them" in words) == (method == "smote")
    assert "{'" not in words
    for image in told.named("img"):
        assert max(int(str(image[side])) for side in ("width", "height")) >= 200
    assert len(told.named("img")) <= len(re.findall('<details class="zoom"', page.read_text("utf-8")))


def test_a_parent_of_another_class_is_said_to_be(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"train": {"left": 6, "right": 2}})
    flips = {"flip_horizontal": {"left": "right"}}
    effects = {"flip_horizontal": {"p": 1.0}}
    out = generated(data, tmp_path / "out", augment={"label_map": flips, "effects": effects})
    assert any(
        row.label == "right" and any("left" in parent["path"] for parent in row.parents)
        for row in read_manifest(out / "manifest.jsonl")
    )
    page = Page(write_report(out))
    assert "real, of left" in " ".join(page.text.split())
    assert {"left"} == {
        str(image["alt"]).rpartition(" ")[2] for image in page.named("img") if "image left-" in str(image["alt"])
    }


def test_small_pictures_are_enlarged_with_crisp_pixels(tmp_path: Path) -> None:
    for label, side in (("tiny", 8), ("large", 150)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(2):
            levels = np.random.default_rng(i).integers(0, 255, (side, side, 3), np.uint8)
            Image.fromarray(levels).save(tmp_path / "data" / label / f"{i}.png")
    shown = Page(write_report(generated(tmp_path / "data", tmp_path / "out", target=3))).named("img")
    assert {
        str(image["alt"]).rpartition(" ")[2]: image.get("class") for image in shown if "Real" in str(image["alt"])
    } == {
        "tiny": "crisp",
        "large": None,
    }


@pytest.mark.parametrize("grey", [False, True])
def test_pictures_of_parents_keep_their_colours(tmp_path: Path, grey: bool) -> None:
    for label, n in (("dark", 2), ("light", 4)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(n):
            levels = np.zeros((600, 400) if grey else (600, 400, 3), np.uint16 if grey else np.uint8)
            levels[i : i + 300, :, ...] = 4000 if grey else (250, 10, 10)
            Image.fromarray(levels).save(tmp_path / "data" / label / f"{i}.png")
    page = Page(write_report(generated(tmp_path / "data", tmp_path / "out", method="smote")))
    shown = next(image for image in page.named("img") if "Real training image 0.png of dark" in str(image["alt"]))
    picture = Image.open(io.BytesIO(base64.b64decode(str(shown["src"]).partition(",")[2])))
    assert (picture.mode, picture.size) == ("L" if grey else "RGB", (240, 360))
    corner = np.asarray(picture)[60, 60]
    assert corner > 240 if grey else corner[0] > 200 > 60 > corner[2]


def test_parents_without_pictures_are_named(lights: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"method": "smote", "target": {"yellow": 5}, "output": {"only_new": True}}
    page = write_report(generated(lights, tmp_path / "new", **settings))
    assert families_of(page) == [["new", "new"]]
    assert re.search(r"#0 from yellow-\S+ and yellow-", " ".join(Page(page).text.split()))
    assert "synth check ../lights --synthetic . --judge ../judge" in " ".join(Page(page).text.split())


def test_effects_on_each_parent_are_told_apart(lights: Path, tmp_path: Path) -> None:
    out = generated(lights, tmp_path / "out", method="smote", target={"yellow": 12}, smote={"augment": "apart"})
    words = " ".join(Page(write_report(out)).text.split())
    assert re.search(r"step [\d.]+; first: [a-z]", words)
    assert re.search(r"; second: [a-z]", words)


def test_grey_and_wide_images_are_shown(tmp_path: Path) -> None:
    for label, top, n in (("dark", 4095, 2), ("light", 65535, 4)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(n):
            levels = np.random.default_rng(i).integers(0, top, (300, 200)).astype(np.uint16)
            Image.fromarray(levels).save(tmp_path / "data" / label / f"{i}.png")
    page = Page(write_report(generated(tmp_path / "data", tmp_path / "out")))
    shown = [image for image in page.named("img") if "Real training image 0.png of dark" in str(image["alt"])]
    picture = Image.open(io.BytesIO(base64.b64decode(str(shown[0]["src"]).partition(",")[2])))
    assert picture.mode == "L"
    assert max(picture.size) <= 360
    assert np.asarray(picture).mean() > 90  # 12 bits in 16 are not shown as black


def test_a_folder_of_another_origin_is_refused(out: Path, tmp_path: Path, lights: Path) -> None:
    with pytest.raises(OutputError, match="no such folder"):
        write_report(tmp_path / "nowhere")
    with pytest.raises(OutputError, match=r"no manifest\.jsonl"):
        write_report(lights)
    (out / "report.html").write_text("an older page")
    (out / "quality.json").write_text("[1]")
    with pytest.raises(OutputError, match=r"quality\.json: damaged"):
        write_report(out)
    (out / "quality.json").unlink()
    (out / "manifest.jsonl").write_text("{}\n")
    with pytest.raises(ManifestError):
        write_report(out)
    assert not (lights / "report.html").exists()
    assert (out / "report.html").read_text() == "an older page"


def test_a_picture_that_is_gone_is_said_to_be(out: Path) -> None:
    for path in (out / "train" / "yellow").glob("yellow-augment-000000*"):
        path.unlink()
    assert "no file to show" in Page(write_report(out)).text


def test_many_classes_stay_a_small_page(tmp_path: Path) -> None:
    counts = {f"class {i:03d}": 2 + (i >= 30) for i in range(60)}
    out = generated(make_dataset(tmp_path / "data", {"train": counts}), tmp_path / "out")
    page = write_report(out)
    assert page.stat().st_size < BUDGET
    assert "50 more classes, without pictures" in Page(page).text


def test_shown_ones_are_spread_over_all() -> None:
    spread = Spread()
    for attempt in range(1000):
        spread.add(Row("", "", "", "", "", True, "", attempt, 0, (), {}, {}, "accepted", (), "", "", 1, 1))
    attempts = [int(row.attempt or 0) for row in spread.chosen()]
    assert len(attempts) == 8
    assert attempts[0] == 0
    assert attempts[-1] > 850
    assert np.diff(attempts).max() < 200


@pytest.mark.parametrize(
    ("part", "words"),
    [(None, "n/a"), (float("nan"), "n/a"), (0, "0"), (1, "100"), (0.9999, "99.9"), (0.0001, "0.1"), (0.5, "50")],
)
def test_shares_are_never_rounded_to_all_or_nothing(part: float | None, words: str) -> None:
    assert percent(part).removesuffix("\u202f%") == words


CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const over = (colours) => { canvas.clearRect(0, 0, 1, 1);
    for (const c of colours) { canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3); };
  const light = (rgb) => { const [r, g, b] = rgb.map(v => v / 255).map(
    v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || element.closest("style, svg, .vh")) continue;
    const grounds = [];
    for (let e = element; e; e = e.parentElement) grounds.unshift(getComputedStyle(e).backgroundColor);
    const ink = getComputedStyle(element).color;
    const [a, b] = [light(over(["white", ...grounds])), light(over(["white", ...grounds, ink]))];
    found.push([(Math.max(a, b) + .05) / (Math.min(a, b) + .05), walk.currentNode.data.trim()]);
  }
  return found;
}"""


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_in_a_browser_without_scripts(browser: Any, mixed: Path, width: int) -> None:
    path = write_report(filled(mixed, "yellow"))
    context = browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 800})
    page, messages, requests = context.new_page(), [], []
    page.on("console", lambda message: messages.append(message.text))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    assert page.locator("h1").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    page.wait_for_url(f"{path.as_uri()}#main", wait_until="commit")  # it is told of a moment later
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth)")
    assert messages == []
    assert all(url == path.as_uri() or url.startswith("data:") for url in requests)
    context.close()


LONG_NAMES = (
    "Übermäßige Oberflächenverunreinigung durch Öl und Späne",
    "pitted_surface_with_multiple_deep_corrosion_pits",
)
CUT = """() => [...document.querySelectorAll(".matrix th bdi")].filter(name => {
  const inner = name.getBoundingClientRect(), outer = name.closest("th").getBoundingClientRect();
  return inner.top < outer.top - 1 || inner.left < outer.left - 1 || inner.right > outer.right + 1;
}).length"""


@pytest.mark.parametrize("width", [390, 1280])
def test_confusion_matrix_and_pictures_in_a_browser(browser: Any, tmp_path: Path, width: int) -> None:
    names = [*LONG_NAMES, *(f"class number {i}" for i in range(6))]
    data = make_dataset(tmp_path / "data", {"train": {name: 2 + (name == names[0]) for name in names}}, suffix=".png")
    out = generated(data, tmp_path / "out")
    edit(out / "summary.json", add_judge)
    context = browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(write_report(out).as_uri())
    box = page.locator(".scroll:has(> .matrix)")
    assert box.evaluate("box => box.scrollWidth - box.clientWidth") <= 0
    assert page.locator(".matrix thead th").count() == 9
    assert page.evaluate(CUT) == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture = page.locator("figure.new img").first
    small = picture.bounding_box()
    assert max(small["width"], small["height"]) >= 200
    picture.click()
    assert picture.bounding_box()["width"] > small["width"] * 1.5
    picture.click()
    assert picture.bounding_box()["width"] == small["width"]
    context.close()


def test_both_themes_can_be_read(browser: Any, mixed: Path) -> None:
    path = write_report(filled(mixed, "yellow"))
    grounds = []
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(path.as_uri())
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        found = page.evaluate(CONTRAST)
        assert len(found) > 100
        assert min(found)[0] >= 4.5, min(found)
        context.close()
    assert grounds[0] != grounds[1]


def test_deep_pictures_share_one_range(tmp_path: Path) -> None:
    for name, high in (("light", 4000), ("dark", 1000)):
        Image.fromarray(np.linspace(0, high, 400).reshape(20, 20).astype(np.uint16)).save(tmp_path / f"{name}.png")
    light, dark = on_one_scale([shrunk(tmp_path / "light.png"), shrunk(tmp_path / "dark.png")])
    assert light is not None
    assert dark is not None
    assert (light.max(), dark.max()) == (255, 64)
