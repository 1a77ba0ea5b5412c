"""What readers see: new images are pictures of the same kind as the originals, also where metadata is ignored."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import corpus
import cv2
import numpy as np
import pytest
from corpus import Run, inspect_json
from PIL import Image, ImageCms

Write = Callable[[Image.Image, Path], None]
SIDE = (36, 24)


def scene(index: int) -> Image.Image:
    return corpus.picture(index).resize(SIDE)


def swapped_profile() -> bytes:
    """A profile whose red and green have changed places."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return data.replace(b"rXYZ", b"none").replace(b"gXYZ", b"rXYZ").replace(b"none", b"gXYZ")


def cut_out(image: Image.Image, path: Path, **options: Any) -> None:
    """Only the middle is opaque; the rest is clear, over one colour."""
    layers = np.full((*SIDE[::-1], 4), (9, 20, 31, 0), np.uint8)
    layers[8:16, 12:24] = np.dstack([np.asarray(image), np.full(SIDE[::-1], 255, np.uint8)])[8:16, 12:24]
    Image.fromarray(layers).save(path, **options)


def grey_clear(image: Image.Image, path: Path) -> None:
    alpha = Image.fromarray(np.tile(np.arange(SIDE[0], dtype=np.uint8) * 7, (SIDE[1], 1)))
    Image.merge("LA", (image.convert("L"), alpha)).save(path)


def turned(image: Image.Image, path: Path) -> None:
    image.save(path, exif=corpus.exif(orientation=6))


def deep(image: Image.Image, path: Path, scale: float, offset: float, dtype: type) -> None:
    levels = (np.asarray(image.convert("L")).astype(np.float64) * scale + offset).astype(dtype)
    cv2.imwrite(str(path), levels)


def wide_colour(image: Image.Image, path: Path) -> None:
    cv2.imwrite(str(path), np.asarray(image).astype(np.uint16)[..., ::-1] * 257)


KINDS: Mapping[str, tuple[str, Write]] = {
    "rgba": (".png", cut_out),
    "rgba-webp": (".webp", lambda image, path: cut_out(image, path, lossless=True, exact=True)),
    "rgba-tiff": (".tiff", cut_out),
    "grey-alpha": (".png", grey_clear),
    "turned-jpeg": (".jpg", turned),
    "turned-png": (".png", turned),
    "turned-webp": (".webp", turned),
    "profile-jpeg": (".jpg", lambda image, path: image.save(path, icc_profile=swapped_profile())),
    "profile-png": (".png", lambda image, path: image.save(path, icc_profile=swapped_profile())),
    "profile-tiff": (".tiff", lambda image, path: image.save(path, icc_profile=swapped_profile())),
    "equal-channels": (".jpg", lambda image, path: image.convert("L").convert("RGB").save(path)),
    "thermal": (".png", lambda image, path: deep(image, path, 3.5, 51_200, np.uint16)),
    "signed": (".tiff", lambda image, path: deep(image, path, 12, -1000, np.int16)),
    "celsius": (".tiff", lambda image, path: deep(image, path, 0.2, -20, np.float32)),
    "wide-colour": (".png", wide_colour),
}


def seen(path: Path) -> dict[str, Any]:
    """What readers see of a file: Pillow as it is and as RGB, OpenCV as it is."""
    with Image.open(path) as image:
        found: dict[str, Any] = {"mode": image.mode, "format": image.format, "size": image.size}
        found["orientation"] = image.getexif().get(corpus.ORIENTATION, 1) if image.format != "TIFF" else 1
        found["profile"] = image.info.get("icc_profile")
        rgb = np.asarray(image.convert("RGB")) if image.mode != "F" else np.zeros((1, 1, 3), np.uint8)
        found["equal"] = bool((rgb == rgb[..., :1]).all())
        if image.mode == "RGBA":
            layers = np.asarray(image)
            found["hidden"] = np.median(layers[layers[..., 3] == 0][:, :3], axis=0).tolist()
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert raw is not None
    return {**found, "dtype": raw.dtype, "channels": raw.shape[2:]}


def extremes(paths: list[Path]) -> tuple[float, float]:
    images = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in paths]
    return min(float(image.min()) for image in images), max(float(image.max()) for image in images)


@pytest.mark.parametrize("method", ["augment", "smote"])
@pytest.mark.parametrize("kind", KINDS)
def test_new_images_are_the_same_kind(kind: str, method: str, tmp_path: Path, run: Run) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    suffix, write = KINDS[kind]
    for index in range(5):
        folder = root / ("many" if index < 3 else "few")
        folder.mkdir(parents=True, exist_ok=True)
        write(scene(index), folder / f"{index}{suffix}")
    options = ("--target", 5, "--workers", 1, "--quiet", "--set", "augment.effects.brightness.p=1")
    assert run("generate", root, out, "--method", method, *options) == 0
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    new = [out / row["path"] for row in rows if row["synthetic"] and row["path"]]
    old = [out / row["path"] for row in rows if not row["synthetic"]]
    assert len(new) == 5
    expected = seen(old[0])
    for path in new:
        assert seen(path) == expected
    if kind in ("thermal", "signed", "celsius"):
        low, high = extremes(old)
        assert low - 1e-4 <= extremes(new)[0] < extremes(new)[1] <= high + 1e-4
    assert run("verify", out, "--remake", 5, "--quiet") == 0


def test_a_named_background_makes_new_images_opaque(tmp_path: Path, run: Run) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    (root / "a").mkdir(parents=True)
    for index in range(3):
        cut_out(scene(index), root / f"a/{index}.png")
    options = ("--target", 5, "--only-new", "--quiet", "--set", "data.background='#ffffff'")
    assert run("generate", root, out, *options) == 0
    for path in (out / "a").iterdir():
        with Image.open(path) as image:
            assert image.mode == "RGB"


def test_a_dead_pixel_does_not_hide_the_range(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(4):
        levels = np.asarray(scene(index).convert("L")).astype(np.uint16) * 3 + 51_200
        levels[0, 0], levels[5, 5] = 0, 65_535
        path = tmp_path / f"in/a/{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels).save(path)
    _, found = inspect_json(run, capsys, tmp_path / "in")
    (own,) = [finding for finding in found["findings"] if finding["kind"] == "own_levels"]
    low, high = (int(word) for word in own["message"].split() if word.isdecimal() and int(word) > 1000)
    assert 51_200 <= low < high <= 51_200 + 3 * 255


def broken() -> dict[str, tuple[bytes, str]]:
    """Files with damage outside their pixels: bytes, and the finding about them."""
    jpeg = corpus.encoded(scene(1), "JPEG")
    later = corpus.encoded(scene(2), "JPEG", progressive=True)
    scans = [at for at in range(len(later)) if later[at : at + 2] == b"\xff\xda"]
    profile = swapped_profile()
    png, plain = corpus.encoded(scene(3), "PNG", icc_profile=profile), corpus.encoded(scene(4), "PNG")
    at = jpeg.index(b"\xff\xc4")
    return {
        "stray.jpg": (jpeg[:at] + bytes(16) + jpeg[at:], "mended"),
        "later.jpg": (later[: scans[2]] + b"\1\2\3" + later[scans[2] :], "mended"),
        "revision.jpg": (jpeg.replace(b"JFIF\0\1", b"JFIF\0\x4d", 1), "mended"),
        "end.png": (plain[:-6], "mended"),
        "profile.png": (corpus.flipped(png, png.index(b"iCCP") + 40), "unopened"),
    }


@pytest.mark.parametrize("name", broken())
def test_damage_outside_the_pixels(name: str, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    data, kind = broken()[name]
    corpus.write_files(tmp_path / "in/a", {name: data, "good.png": corpus.encoded(scene(0), "PNG")})
    status, found = inspect_json(run, capsys, tmp_path / "in")
    assert (status, found["files"]["refused"]) == (0, 0)
    assert [f["paths"] for f in found["findings"] if f["kind"] == kind] == [[f"a/{name}"]]


def test_dark_images_are_not_called_blank(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    nights = [Image.fromarray(rng.integers(0, 4, (20, 20, 3), np.uint8)) for _ in range(2)]
    corpus.write_files(tmp_path / "in/a", {f"{i}.png": corpus.encoded(night, "PNG") for i, night in enumerate(nights)})
    _, found = inspect_json(run, capsys, tmp_path / "in")
    (dark,) = [finding for finding in found["findings"] if finding["kind"] in ("dark", "blank")]
    assert dark["kind"] == "dark"
    assert "levels 0 to 3" in dark["message"]


Turn = Callable[[Image.Image], Image.Image]
MIRROR: Turn = lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)  # noqa: E731


@pytest.mark.parametrize("turn", [MIRROR, *(lambda image, t=t: image.transpose(t) for t in Image.Transpose)])
def test_a_turned_copy_in_another_split_is_a_leak(
    turn: Turn, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {f"train/a/{i}.png": corpus.encoded(corpus.picture(i), "PNG") for i in range(6)}
    copy = turn(corpus.picture(2)).point(lambda level: round(level * 0.85))
    files["test/a/copy.jpg"] = corpus.encoded(copy, "JPEG", quality=85)
    for name, data in files.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    _, found = inspect_json(run, capsys, tmp_path / "in")
    leaks = [finding["paths"] for finding in found["findings"] if finding["kind"] == "split_leak"]
    assert leaks == [["test/a/copy.jpg", "train/a/2.png"]]


def test_mirrored_classes_are_no_conflict(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(5):
        for label, image in (("left", corpus.picture(i)), ("right", MIRROR(corpus.picture(i)))):
            corpus.write_files(tmp_path / "in" / label, {f"{i}.png": corpus.encoded(image, "PNG")})
    _, found = inspect_json(run, capsys, tmp_path / "in")
    assert not {"label_conflict", "near_duplicates"} & {finding["kind"] for finding in found["findings"]}


def only(effect: str) -> list[str]:
    from synth.settings.effects import Effects

    return [part for name in Effects.model_fields for part in ("--set", f"augment.effects.{name}.p={name == effect:d}")]


@pytest.mark.parametrize(("effect", "n_different"), [("flip_horizontal", 3), ("quarter_turn", 9)])
def test_repeats_are_refused(effect: str, n_different: int, tmp_path: Path, run: Run) -> None:
    corpus.write_files(tmp_path / "in/a", {f"{i}.png": corpus.encoded(corpus.picture(i), "PNG") for i in range(3)})
    outs = [tmp_path / f"out-{n}" for n in (1, 2)]
    for n_workers, out in enumerate(outs, start=1):
        options = ("--target", 60, "--cap", 50, "--workers", n_workers, "--quiet", *only(effect))
        assert run("generate", tmp_path / "in", out, *options) == 3
        assert run("verify", out, "--quiet") == 0
    entry = json.loads((outs[0] / "summary.json").read_text())["classes"]["a"]
    assert entry["accepted"] == n_different
    assert entry["rejected"] == {"repeat": entry["attempted"] - n_different}
    assert f"only {n_different} different images can be made from 3 originals" in entry["note"]
    first, second = ((out / "manifest.jsonl").read_bytes() for out in outs)
    assert first == second
    assert run("generate", tmp_path / "in", outs[0], "--target", 60, "--cap", 50, "--quiet", *only(effect)) == 3
    assert len(list((outs[0] / "a").iterdir())) == 3 + n_different  # nothing new: earlier runs count


def test_the_control_repeats(tmp_path: Path, run: Run) -> None:
    corpus.write_files(tmp_path / "in/a", {"0.png": corpus.encoded(corpus.picture(), "PNG")})
    assert run("generate", tmp_path / "in", tmp_path / "out", "--method", "duplicate", "--target", 5, "--quiet") == 0
    assert len(list((tmp_path / "out/a").iterdir())) == 5


def test_transforms_for_colour_keep_grey_grey(tmp_path: Path, run: Run) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    greys = {f"{i}.png": corpus.encoded(scene(i).convert("L").convert("RGB"), "PNG") for i in range(2)}
    corpus.write_files(root / "a", {**greys, "colour.png": corpus.encoded(scene(5), "PNG")})
    transforms = "augment.transforms=[{name='RGBShift',p=1},{name='ChannelShuffle',p=1}]"
    assert run("generate", root, out, "--target", 9, "--workers", 1, "--quiet", "--set", transforms) == 0
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    equal = {row["parents"][0]["path"]: seen(out / row["path"])["equal"] for row in rows if row["synthetic"]}
    assert equal == {"a/0.png": True, "a/1.png": True, "a/colour.png": False}
