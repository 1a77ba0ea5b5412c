"""Every kind of bad or odd image file ends as used or refused, with a reason, and never with a traceback."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import corpus
import numpy as np
import numpy.typing as npt
import pytest
from corpus import Run, inspect_json
from PIL import Image, ImageFile, ImageOps

from synth.data import encoding, images, mending
from synth.data.dataset import read_item
from synth.errors import ImageError
from synth.records import Item
from synth.settings.recipe import Data

CORPUS = corpus.every_file()
SYNTH = [sys.executable, "-c", "from synth.cli.app import main; main()"]
HANGS_AFTER_SECONDS = 120


def pixels_of(data: bytes, *, background: str = "#ffffff") -> npt.NDArray[Any]:
    return images.decode(data, Data(background=background)).pixels


@pytest.mark.parametrize("name", CORPUS)
def test_a_file_alone(name: str, tmp_path: Path) -> None:
    case = CORPUS[name]
    path = tmp_path / name
    path.write_bytes(case.data)
    result = read_item(name, path, Data())
    assert path.read_bytes() == case.data
    if case.state == "refused":
        assert isinstance(result, str), f"used, as {result}"
        assert case.word in result
        assert result.isprintable()  # one line
    else:
        assert isinstance(result, Item), result
        assert not case.word or case.word in result.notes
        assert 0 <= result.mean <= 1


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """The whole corpus in one class, 20 ordinary images in the other."""
    root = tmp_path / "mixed"
    corpus.write_files(root / "odd", {name: case.data for name, case in CORPUS.items()})
    corpus.write_files(root / "good", corpus.good(20))
    return root


def test_all_together(mixed: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    before = corpus.state_of(mixed)
    status, found = inspect_json(run, capsys, mixed)
    expected = {f"odd/{name}" for name, case in CORPUS.items() if case.state == "refused"}
    assert status == 3
    assert {entry["path"] for entry in found["refused"]} == expected
    assert found["classes"]["good"] == {"train": 20}
    assert run("inspect", mixed, "--strict", "--quiet") == 1
    assert corpus.state_of(mixed) == before


def test_the_verbs_leave_the_input_alone(
    mixed: Path, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before, out = corpus.state_of(mixed), tmp_path / "out"
    used = sum(case.state == "used" for case in CORPUS.values())
    target = f"odd={used + 2 * used},good=20"  # every odd image becomes a parent twice
    run("preview", mixed, "--n", 2, "--out", tmp_path / "sheet.png")
    capsys.readouterr()
    run("plan", mixed, "--target", target)
    err = capsys.readouterr().err
    refusals = [line for line in err.splitlines() if line.startswith("refused odd/")]
    assert len(refusals) == 20  # a line each, then how many more there are
    assert "more refused; synth inspect lists them" in err
    assert corpus.state_of(mixed) == before
    assert run("generate", mixed, out, "--target", target, "--workers", 1, "--quiet") == 3
    printed = capsys.readouterr()
    assert printed.err == ""  # the summary says it, and nothing says it twice
    assert "refused: " in printed.out
    assert corpus.state_of(mixed) == before
    assert run("verify", out) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["classes"]["odd"]["accepted"] == 2 * used
    assert len(summary["refused"]) == sum(case.state == "refused" for case in CORPUS.values())


def test_strict_generate_fails_after_a_refusal(mixed: Path, tmp_path: Path, run: Run) -> None:
    assert run("generate", mixed, tmp_path / "out", "--target", "mean", "--strict", "--quiet") == 1


def test_mutated_files_end_in_a_state_within_bounds(tmp_path: Path) -> None:
    """In a process of its own with little memory, so that a hang or a huge allocation shows."""
    files = {f"{i}.jpg": data for i, (_, data) in enumerate(corpus.mutations(300, seed=7))}
    corpus.write_files(tmp_path / "a" / "odd", files | {n: case.data for n, case in corpus.sizes().items()})
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30)); "
    command = [sys.executable, "-c", limit + "from synth.cli.app import main; main()"]
    done = subprocess.run(
        [*command, "inspect", str(tmp_path / "a"), "--json", "--workers", "1"],
        capture_output=True,
        timeout=HANGS_AFTER_SECONDS,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode(errors="replace")
    assert done.returncode == 3
    counts = json.loads(done.stdout)["files"]
    assert counts["used"] + counts["refused"] == counts["found"] == 300 + len(corpus.sizes())
    assert counts["used"] > 20  # a flipped pixel is still a picture
    assert counts["refused"] > 150


@pytest.mark.parametrize("seed", range(4))
def test_mutated_bytes_raise_nothing_but_image_errors(seed: int) -> None:
    for what, data in corpus.mutations(300, seed=seed):
        with contextlib.suppress(ImageError):  # any other exception fails the test
            assert pixels_of(data).dtype in (np.uint8, np.uint16), what


def test_no_flipped_bit_of_a_png_changes_a_pixel() -> None:
    data = corpus.encoded(corpus.picture().resize((16, 12)), "PNG")
    start, end, n_used = data.index(b"IDAT"), len(data) - 12, 0
    for at in range(start, end):
        with contextlib.suppress(ImageError):
            np.testing.assert_array_equal(pixels_of(corpus.flipped(data, at)), pixels_of(data))
            n_used += 1
    assert n_used <= 8  # the checksum of the chunk; the pixels have one of their own


@pytest.mark.parametrize("name", ["cut-98%-plain.bmp", "cut-60%-still.gif", "cut-60%-cmyk.jpg", "cut-60%-raw.tiff"])
def test_another_librarys_leniency_does_not_let_cut_files_in(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(ImageError):
        pixels_of(CORPUS[name].data)


@pytest.mark.parametrize("name", ["16.png", "16.tiff", "16.pgm", "16-big.tiff", "16-packed.tiff", "32-int.tiff"])
def test_sixteen_bits_are_kept_exactly(name: str) -> None:
    pixels = pixels_of(CORPUS[name].data)
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, corpus.LEVELS16)


@pytest.mark.parametrize("name", ["float-1.tiff", "float-255.tiff", "float-65535.tiff"])
def test_floats_are_scaled_by_their_range(name: str) -> None:
    pixels = pixels_of(CORPUS[name].data)
    assert pixels.dtype == np.uint16
    assert np.abs(pixels.astype(int) - np.round(corpus.FLOATS * 65535)).max() <= 1


def test_sixteen_bit_colour_keeps_its_high_byte() -> None:
    pixels = pixels_of(CORPUS["48-rgb.png"].data)
    np.testing.assert_array_equal(pixels, corpus.LEVELS16 >> 8)  # its channels are equal


@pytest.mark.parametrize(("name", "format"), [("16.png", "png"), ("16-big.tiff", "tiff"), ("16.pgm", "ppm")])
def test_sixteen_bits_come_out_again(name: str, format: str) -> None:
    decoded = images.decode(CORPUS[name].data, Data())
    form = encoding.output_encoding(decoded.encoding, format="auto", quality=None, sixteen_bit=True)
    assert form.format == format
    np.testing.assert_array_equal(pixels_of(encoding.encode(decoded.pixels, form)), corpus.LEVELS16)


@pytest.mark.parametrize("name", ["rgba.png", "rgba.tiff", "rgba.webp"])
@pytest.mark.parametrize(("background", "colour"), [("#ffffff", (255, 255, 255)), ("#102030", (16, 32, 48))])
def test_transparency_shows_the_stated_background(name: str, background: str, colour: tuple[int, ...]) -> None:
    pixels = pixels_of(CORPUS[name].data, background=background)
    half = corpus.HEIGHT // 2
    assert (pixels[:half] == colour).all()
    np.testing.assert_array_equal(pixels[half:], np.asarray(corpus.picture())[half:])


def test_grey_with_alpha_stays_grey_on_a_grey_background() -> None:
    data, half = CORPUS["la.png"].data, corpus.HEIGHT // 2
    assert pixels_of(data).ndim == 2
    assert pixels_of(data)[0, 0] == 255
    assert pixels_of(data, background="#102030").ndim == 3
    np.testing.assert_array_equal(pixels_of(data)[half:], np.asarray(corpus.picture(mode="L"))[half:])


@pytest.mark.parametrize("name", ["l-trns.png", "rgb-trns.png"])
def test_a_transparent_colour_is_replaced(name: str) -> None:
    pixels = pixels_of(CORPUS[name].data, background="#000000")
    assert not pixels[0, 0].any()
    assert pixels.any()


@pytest.mark.parametrize("name", ["cmyk.tiff", "lab.tiff"])
def test_other_colour_spaces_look_the_same(name: str) -> None:
    difference = np.abs(pixels_of(CORPUS[name].data).astype(int) - np.asarray(corpus.picture()))
    assert difference.mean() < 6


def test_one_bit_is_black_and_white() -> None:
    for name in ("bits.png", "bits.tiff", "bits.pbm"):
        assert set(np.unique(pixels_of(CORPUS[name].data))) == {0, 255}


def stored(image: Image.Image, format: str, orientation: int) -> bytes:
    options = {"quality": 95, "subsampling": 0} if format == "JPEG" else {"lossless": True} if format == "WEBP" else {}
    return corpus.encoded(image, format, exif=corpus.exif(orientation=orientation), **options)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "MPO"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("orientation", [*range(1, 9), 0, 9])
def test_exif_turns_once(format: str, mode: str, orientation: int) -> None:
    data = stored(corpus.picture(mode=mode), format, orientation)
    with Image.open(io.BytesIO(data)) as image:
        upright = np.asarray(ImageOps.exif_transpose(image).convert(mode))
    found = pixels_of(data)
    assert found.shape == upright.shape
    np.testing.assert_array_equal(found, upright)


def test_exif_turn_shows_the_right_side_up() -> None:
    """Orientation 6: the first stored row is the right-hand side of the picture."""
    pixels = pixels_of(stored(corpus.picture(), "PNG", 6))
    np.testing.assert_array_equal(pixels[:, -1], np.asarray(corpus.picture())[0])


def test_broken_exif_changes_nothing() -> None:
    plain = pixels_of(corpus.encoded(corpus.picture(), "JPEG"))
    for name, case in corpus.broken_exif().items():
        if name.endswith(".jpg"):
            np.testing.assert_array_equal(pixels_of(case.data), plain)


@pytest.mark.parametrize("name", ["moving.webp", "moving.png", "pages.tiff"])
def test_the_first_frame_is_taken(name: str) -> None:
    np.testing.assert_array_equal(pixels_of(CORPUS[name].data), np.asarray(corpus.picture()))


def test_the_first_frame_of_a_gif_and_of_a_stereo_jpeg() -> None:
    indexed = pixels_of(corpus.encoded(corpus.picture(), "GIF"))
    np.testing.assert_array_equal(pixels_of(CORPUS["moving.gif"].data), indexed)
    single = pixels_of(corpus.encoded(corpus.picture(), "JPEG"))
    np.testing.assert_array_equal(pixels_of(CORPUS["several.jpg"].data), single)


def private_files() -> dict[str, bytes]:
    """The same person's name in every place where a format can hold one."""
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Author", "Jane Doe")
    text.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>Jane Doe</x:xmpmeta>")
    exif, xmp, icc = corpus.exif(orientation=6), b"<x:xmpmeta>Jane Doe</x:xmpmeta>", b"Jane Doe" * 20
    more = {"exif": exif, "icc_profile": icc}
    return {
        "a.jpg": corpus.encoded(corpus.picture(1), "JPEG", comment="Jane Doe", xmp=xmp, **more),
        "b.png": corpus.encoded(corpus.picture(2), "PNG", pnginfo=text, **more),
        "c.webp": corpus.encoded(corpus.picture(3), "WEBP", xmp=xmp, **more),
        "d.tiff": corpus.encoded(corpus.picture(4), "TIFF", **more),
        "e.gif": corpus.encoded(corpus.picture(5), "GIF", comment="Jane Doe"),
        "f.ppm": corpus.encoded(corpus.picture(6), "PPM").replace(b"P6\n", b"P6\n# Jane Doe\n"),
    }


@pytest.mark.parametrize("format", ["auto", "jpeg", "png", "webp", "tiff", "bmp", "ppm"])
def test_no_metadata_in_new_images(format: str, tmp_path: Path, run: Run) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    corpus.write_files(root / "cat", private_files())
    options = ("--only-new", "--target", 12, "--format", format, "--quiet")
    assert run("generate", root, out, *options) == 0
    made = sorted((out / "cat").iterdir())
    assert len(made) == 6
    for path in made:
        data = path.read_bytes()
        assert b"Jane" not in data
        with Image.open(path) as image:
            image.load()
            assert not {"comment", "xmp", "icc_profile", "photoshop"} & set(image.info)
            known = {"TIFF": image.getexif()}.get(str(image.format), {corpus.ORIENTATION})
            assert set(image.getexif()) <= set(known)
            assert not image.getexif().get_ifd(0x8825)


def test_a_turned_parent_gives_children_that_lie_like_it(tmp_path: Path, run: Run) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    corpus.write_files(root / "cat", {"a.jpg": stored(corpus.picture(), "JPEG", 6)})
    assert run("generate", root, out, "--only-new", "--target", 4, "--quiet") == 0
    for path in (out / "cat").iterdir():
        with Image.open(path) as image:
            assert image.size == (corpus.WIDTH, corpus.HEIGHT)
            assert image.getexif()[corpus.ORIENTATION] == 6


def test_originals_are_copied_byte_for_byte(tmp_path: Path, run: Run) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    corpus.write_files(root / "cat", private_files())
    assert run("generate", root, out, "--quiet") == 0
    assert {path.name: path.read_bytes() for path in (out / "cat").iterdir()} == private_files()


def test_other_kinds_are_skipped_and_counted(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "in"
    corpus.write_files(root / "cat", corpus.good(3))
    others = ("a.heic", "b.HEIC", "a.avif", "a.svg", "a.eps", "a.psd", "a.mp4", "a.txt", "noending")
    corpus.write_files(root / "cat", dict.fromkeys(others, corpus.EPS))
    status, found = inspect_json(run, capsys, root)
    assert status == 0
    kinds = {entry["kind"].split()[0]: entry["n"] for entry in found["skipped"]}
    expected = {".heic": 2, ".avif": 1, ".svg": 1, ".eps": 1, ".psd": 1, ".mp4": 1, ".txt": 1, "no": 1}
    assert kinds == expected
    assert any("pillow-heif" in entry["kind"] for entry in found["skipped"])


def test_ghostscript_is_never_run(tmp_path: Path) -> None:
    programs, marker = tmp_path / "bin", tmp_path / "was-run"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\ntouch '{marker}'\n")
    (programs / "gs").chmod(0o755)
    files = {"a.jpg": corpus.EPS, "b.eps": corpus.EPS, "c.jpg": b"%PDF-1.4\n"}
    corpus.write_files(tmp_path / "in" / "cat", files | corpus.good(2))
    done = subprocess.run(
        [*SYNTH, "inspect", str(tmp_path / "in")],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=HANGS_AFTER_SECONDS,
        check=False,
    )
    assert done.returncode == 3
    assert "refused cat/a.jpg: not an image of a known format" in done.stderr
    assert not marker.exists()


def test_max_pixels_is_a_setting(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    small, root = corpus.encoded(corpus.picture(9).resize((20, 20)), "PNG"), tmp_path / "in"
    corpus.write_files(root / "cat", {"small.png": small} | corpus.good(1))
    limit = corpus.WIDTH * corpus.HEIGHT
    assert inspect_json(run, capsys, root, "--set", f"data.max_pixels={limit}")[0] == 0
    status, found = inspect_json(run, capsys, root, "--set", f"data.max_pixels={limit - 1}")
    assert status == 3
    assert found["files"]["used"] == 1
    assert "data.max_pixels" in found["refused"][0]["reason"]


def test_a_limit_above_pillows_own_is_not_misquoted() -> None:
    with pytest.raises(ImageError, match=r"^more than \d+ pixels$") as caught:
        images.decode(corpus.png(60_000, 60_000), Data(max_pixels=10**10))
    assert int(str(caught.value).split()[2]) < 60_000 * 60_000


def blank_files() -> dict[str, bytes]:
    """Pictures without any contrast."""
    return {
        "black.png": corpus.encoded(Image.new("RGB", (24, 24)), "PNG"),
        "white.jpg": corpus.encoded(Image.new("RGB", (24, 24), "white"), "JPEG"),
        "grey.png": corpus.encoded(Image.new("L", (24, 24), 90), "PNG"),
        "deep.png": corpus.encoded(Image.fromarray(np.zeros((24, 24), np.uint16)), "PNG"),
        "deepest.png": corpus.encoded(Image.fromarray(np.full((24, 24), 65535, np.uint16)), "PNG"),
    }


@pytest.mark.parametrize("method", ["augment", "duplicate"])
def test_a_class_of_blank_images(method: str, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    corpus.write_files(root / "blank", blank_files())
    corpus.write_files(root / "cat", corpus.good(25))
    status, found = inspect_json(run, capsys, root)
    assert status == 0
    assert found["files"]["used"] == 30
    run("preview", root, "--method", method, "--out", tmp_path / "sheet.png")
    # Whatever augmentation does to an image without contrast is the same image again, and copies are not accepted.
    assert run("generate", root, out, "--method", method, "--quiet") == (3 if method == "augment" else 0)
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert run("verify", out) == 0
    assert run("verify", out, "--remake", 5) == 0


def test_content_decides_and_the_extension_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "picture.gif"
    path.write_bytes(corpus.encoded(corpus.picture(), "PNG"))
    item = read_item("picture.gif", path, Data())
    assert isinstance(item, Item)
    assert (item.encoding.format, item.notes) == ("png", ("extension",))


def test_a_jpeg_is_decoded_a_few_times_at_most_to_find_its_stray_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    jpeg = corpus.encoded(corpus.picture(), "JPEG", quality=90)
    tables = jpeg.index(b"\xff\xc4")
    decode, times = mending.simplejpeg.decode_jpeg, list[int]()
    monkeypatch.setattr(mending.simplejpeg, "decode_jpeg", lambda data: times.append(1) or decode(data))
    comment = b"\xff\xfe" + (40_002).to_bytes(2, "big") + b"\xff\xc4" * 20_000
    stray = jpeg[:2] + comment + jpeg[2:tables] + b"xyz" + jpeg[tables:]
    assert mending.mended(stray) == jpeg[:2] + comment + jpeg[2:]  # found behind its segment, not by trying
    assert len(times) < 5
    times.clear()
    assert mending.mended(jpeg[:-2] + b"\xff\xd9" + b"\xff\xc4" * 50 + b"xyz\xff\xd9") is not None
    hostile = jpeg[:tables] + b"x" + b"\xff\xc4\x00\x02y" * 500 + jpeg[tables:]
    mending.mended(hostile)
    assert len(times) <= 34
