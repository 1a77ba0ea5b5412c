"""Bad and odd image files, made by code: what each is called, its bytes, and what must become of it."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms

Run = Callable[..., int]
"""conftest's `run`: one command line in this process, and its exit status."""

WIDTH, HEIGHT = 48, 40
LEVELS16 = (np.arange(WIDTH * HEIGHT, dtype=np.uint16) * 34).reshape(HEIGHT, WIDTH)  # 0..65246: uses all 16 bits
FLOATS = np.linspace(0, 1, WIDTH * HEIGHT, dtype=np.float32).reshape(HEIGHT, WIDTH)
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n0 0 moveto 9 9 lineto stroke showpage\n"
PRIVATE = {
    0x010E: "a description",
    0x010F: "camera maker",
    0x013B: "Jane Doe",
    0x9286: b"ASCII\0\0\0a comment",
}
ORIENTATION = 0x0112


class Case(NamedTuple):
    """One file of the corpus."""

    data: bytes
    state: str
    """used or refused."""
    word: str = ""
    """Stands in the reason of a refused file, or is a note of a used one."""


def picture(seed: int = 0, *, mode: str = "RGB") -> Image.Image:
    """Smooth random colours without any symmetry, so that every turn and mirror shows."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).convert(mode)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def of_levels(levels: npt.NDArray[Any]) -> Image.Image:
    return Image.fromarray(levels)


def with_alpha(image: Image.Image) -> Image.Image:
    """The upper half is transparent, with colours hidden below."""
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[: HEIGHT // 2] = 0
    image = image.copy()
    image.putalpha(Image.fromarray(alpha))
    return image


def exif(**tags: Any) -> Image.Exif:
    """EXIF with a person's name, a place and, if given, an orientation."""
    made = Image.Exif()
    for tag, value in {
        **PRIVATE,
        **({ORIENTATION: tags["orientation"]} if "orientation" in tags else {}),
    }.items():
        made[tag] = value
    made.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    return made


def png(width: int, height: int, *, bits: int = 8, kind: int = 2, rows: bytes = b"") -> bytes:
    """A PNG that states any size and holds any bytes, with right checksums."""
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png16_rgb() -> bytes:
    """16 bits per channel, which Pillow can't write; red, green and blue are all `LEVELS16`."""
    rows = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in LEVELS16)
    return png(WIDTH, HEIGHT, bits=16, rows=rows)


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0x10
    return bytes(changed)


def half_zeros(data: bytes, *, tail: bytes = b"") -> bytes:
    """What a full disk leaves: the right length, and nothing behind the middle."""
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2 - len(tail)) + tail


def lab() -> Image.Image:
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(picture(), *profiles, outputMode="LAB")
    assert converted is not None
    return converted


def big_endian16() -> Image.Image:
    return Image.frombytes("I;16B", (WIDTH, HEIGHT), LEVELS16.astype(">u2").tobytes())


def not_images() -> dict[str, Case]:
    """Files that are no image, whatever their name."""
    plain = "not an image of a known format"
    return {
        "empty.jpg": Case(b"", "refused", "empty file"),
        "one-byte.jpg": Case(b"\xff", "refused", plain),
        "text.jpg": Case(b"hello\n" * 50, "refused", plain),
        "page.jpg": Case(b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "refused", plain),
        "lfs.jpg": Case(LFS_POINTER, "refused", "Git LFS pointer"),
        "eps.jpg": Case(EPS, "refused", plain),
        "psd.png": Case(b"8BPS\0\1" + bytes(64), "refused", plain),
        "svg.png": Case(b'<svg xmlns="http://www.w3.org/2000/svg"/>', "refused", plain),
        "heic.jpg": Case(bytes(4) + b"ftypheic" + bytes(64), "refused", "HEIC"),
        "zip.png": Case(b"PK\x03\x04" + bytes(64), "refused", plain),
        "pickle.png": Case(b"\x80\x04\x95" + bytes(64), "refused", plain),
        "zeros.jpg": Case(bytes(5000), "refused", plain),
    }


def cut_files() -> dict[str, Case]:
    """Images that end too early, at several places; a TIFF keeps its directory at the end."""
    image, cases = picture(), {}
    whole = {
        "baseline.jpg": encoded(image, "JPEG", quality=90),
        "progressive.jpg": encoded(image, "JPEG", quality=90, progressive=True),
        "cmyk.jpg": encoded(image.convert("CMYK"), "JPEG"),
        "turned.jpg": encoded(image, "JPEG", exif=exif(orientation=6)),
        "plain.png": encoded(image, "PNG"),
        "lossy.webp": encoded(image, "WEBP"),
        "still.gif": encoded(image, "GIF"),
        "raw.tiff": encoded(image, "TIFF"),
        "packed.tiff": encoded(image, "TIFF", compression="tiff_lzw"),
        "plain.bmp": encoded(image, "BMP"),
        "plain.ppm": encoded(image, "PPM"),
    }
    for name, data in whole.items():
        for share in (0.02, 0.3, 0.6, 0.98):
            cases[f"cut-{share:.0%}-{name}"] = Case(data[: int(len(data) * share)], "refused")
    cases["cut-last-byte-plain.png"] = Case(whole["plain.png"][:-1], "used", "mended")  # only its end chunk
    for name in ("baseline.jpg", "plain.bmp", "plain.ppm"):
        cases[f"cut-last-byte-{name}"] = Case(whole[name][:-1], "refused", "damaged")
    return cases


def rotten_files() -> dict[str, Case]:
    """Images of the right length with wrong bytes inside."""
    jpeg, data = encoded(picture(), "JPEG", quality=90), encoded(picture(), "PNG")
    start = data.index(b"IDAT") + 4
    middle, late = start + 400, len(data) - 300  # a late flip still decodes, to other pixels
    return {
        "flip-early.png": Case(flipped(data, middle), "refused", "checksum"),
        "flip-late.png": Case(flipped(data, late), "refused", "checksum"),
        "flip-header.png": Case(flipped(data, 19), "refused"),
        "flip-palette.png": Case(_palette_flip(), "refused", "damaged"),
        "half-zeros.jpg": Case(half_zeros(jpeg), "refused", "damaged"),
        "half-zeros-ended.jpg": Case(half_zeros(jpeg, tail=b"\xff\xd9"), "refused", "damaged"),
        "half-zeros-cmyk.jpg": Case(half_zeros(encoded(picture(mode="CMYK"), "JPEG")), "refused", "damaged"),
        "half-zeros-turned.jpg": Case(
            half_zeros(encoded(picture(), "JPEG", exif=exif(orientation=6))), "refused", "damaged"
        ),
        "half-zeros.png": Case(half_zeros(data), "refused"),
    }


def _palette_flip() -> bytes:
    data = encoded(picture().quantize(16), "PNG")
    return flipped(data, data.index(b"PLTE") + 10)


def sizes() -> dict[str, Case]:
    """Headers that state too many pixels or too long sides; none of these files is larger than 100 bytes."""
    line = b"\0" * 3
    return {
        "bomb.png": Case(png(60_000, 60_000), "refused", "more than 50000000 pixels"),
        "large.png": Case(png(12_000, 12_000), "refused", "12000x12000: more than 50000000 pixels"),
        "bomb.ppm": Case(b"P6 60000 60000 255\n", "refused", "more than 50000000 pixels"),
        "bomb.gif": Case(_gif_bomb(), "refused", "more than 50000000 pixels"),
        "thin.png": Case(png(1, 20_000), "refused", "a side outside 2..16384"),
        "wide.png": Case(png(20_000, 1), "refused", "a side outside 2..16384"),
        "dot.png": Case(png(1, 1, rows=b"\0" + line), "refused", "a side outside 2..16384"),
        "nothing.png": Case(png(0, 0), "refused"),
        "negative.bmp": Case(
            b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, -5, -5, 1, 24, 0, 0, 0, 0, 0, 0), "refused"
        ),
    }


def _gif_bomb() -> bytes:
    size = struct.pack("<HH", 65_535, 65_535)
    return b"GIF89a" + size + b"\0\0\0," + bytes(4) + size + b"\0\2\0;"


def modes() -> dict[str, Case]:
    """Every way of storing a picture that is read, and how it is converted is stated in `images`."""
    image, grey = picture(), picture(mode="L")
    indexed = image.quantize(16)
    return {
        "cmyk.jpg": Case(encoded(image.convert("CMYK"), "JPEG"), "used"),
        "cmyk.tiff": Case(encoded(image.convert("CMYK"), "TIFF"), "used"),
        "lab.tiff": Case(encoded(lab(), "TIFF"), "used"),
        "bits.png": Case(encoded(image.convert("1"), "PNG"), "used"),
        "bits.tiff": Case(encoded(image.convert("1"), "TIFF"), "used"),
        "bits.pbm": Case(encoded(image.convert("1"), "PPM"), "used"),
        "la.png": Case(encoded(with_alpha(grey), "PNG"), "used", "alpha"),
        "p.png": Case(encoded(indexed, "PNG"), "used"),
        "p-index.png": Case(encoded(indexed, "PNG", transparency=0), "used", "alpha"),
        "p-bytes.png": Case(encoded(indexed, "PNG", transparency=bytes(range(0, 256, 16))), "used", "alpha"),
        "p.gif": Case(encoded(indexed, "GIF", transparency=3), "used", "alpha"),
        "rgba.png": Case(encoded(with_alpha(image), "PNG"), "used", "alpha"),
        "rgba.webp": Case(encoded(with_alpha(image), "WEBP", lossless=True), "used", "alpha"),
        "rgba.tiff": Case(encoded(with_alpha(image), "TIFF"), "used", "alpha"),
        "l-trns.png": Case(encoded(grey, "PNG", transparency=grey.getpixel((0, 0))), "used", "alpha"),
        "rgb-trns.png": Case(encoded(image, "PNG", transparency=image.getpixel((0, 0))), "used", "alpha"),
        "grey.jpg": Case(encoded(grey, "JPEG"), "used"),
        "progressive.jpg": Case(encoded(image, "JPEG", progressive=True), "used"),
        "plain.bmp": Case(encoded(image, "BMP"), "used"),
        "plain.ppm": Case(encoded(image, "PPM"), "used"),
        "tail.jpg": Case(encoded(image, "JPEG") + b"camera trailer" * 9, "used"),
        "png-inside.jpg": Case(encoded(picture(3), "PNG"), "used", "extension"),
        "jpeg-inside.tiff": Case(encoded(picture(4), "JPEG"), "used", "extension"),
        "black.png": Case(encoded(Image.new("RGB", (WIDTH, HEIGHT)), "PNG"), "used"),
        "flat.jpg": Case(encoded(Image.new("RGB", (WIDTH, HEIGHT), (90, 90, 90)), "JPEG"), "used"),
    }


def wide_levels() -> dict[str, Case]:
    """More than 8 bits a channel."""
    grey16, nan, infinite = of_levels(LEVELS16), FLOATS.copy(), FLOATS.copy()
    nan[3, 3], infinite[3, 3] = np.nan, np.inf
    signed = LEVELS16.astype(np.int32)
    return {
        "16.png": Case(encoded(grey16, "PNG"), "used"),
        "16.tiff": Case(encoded(grey16, "TIFF"), "used"),
        "16.pgm": Case(encoded(grey16, "PPM"), "used"),
        "16-big.tiff": Case(encoded(big_endian16(), "TIFF"), "used"),
        "16-packed.tiff": Case(encoded(grey16, "TIFF", compression="tiff_adobe_deflate"), "used"),
        "32-int.tiff": Case(encoded(of_levels(signed), "TIFF"), "used"),
        "48-rgb.png": Case(png16_rgb(), "used"),
        "float-1.tiff": Case(encoded(of_levels(FLOATS), "TIFF"), "used"),
        "float-255.tiff": Case(encoded(of_levels(FLOATS * 255), "TIFF"), "used"),
        "float-65535.tiff": Case(encoded(of_levels(FLOATS * 65535), "TIFF"), "used"),
        "32-int-wide.tiff": Case(encoded(of_levels(signed * 1000), "TIFF"), "used"),
        "32-int-negative.tiff": Case(encoded(of_levels(signed - 9), "TIFF"), "used"),
        "float-nan.tiff": Case(encoded(of_levels(nan), "TIFF"), "refused", "NaN or infinite"),
        "float-inf.tiff": Case(encoded(of_levels(infinite), "TIFF"), "refused", "NaN or infinite"),
        "float-negative.tiff": Case(encoded(of_levels(FLOATS - 0.5), "TIFF"), "used"),
        "float-large.tiff": Case(encoded(of_levels(FLOATS * 1e6), "TIFF"), "used"),
    }


def animations() -> dict[str, Case]:
    """Several pictures in one file: the first is taken."""
    first, rest = picture(), [picture(1), picture(2)]
    more = {"save_all": True, "append_images": rest}
    return {
        "moving.gif": Case(encoded(first, "GIF", **more), "used", "animated"),
        "moving.webp": Case(encoded(first, "WEBP", lossless=True, **more), "used", "animated"),
        "moving.png": Case(encoded(first, "PNG", **more), "used", "animated"),
        "pages.tiff": Case(encoded(first, "TIFF", **more), "used", "animated"),
        "several.jpg": Case(encoded(first, "MPO", **more), "used", "animated"),
    }


def broken_exif() -> dict[str, Case]:
    """Metadata that makes no sense never refuses a file."""
    cases = {}
    blocks = {"noise": b"Exif\0\0garbage", "far": b"Exif\0\0II*\0\xff\xff\xff\xff", "none": b"Exif\0\0"}
    for name, block in blocks.items():
        for suffix, format in ((".jpg", "JPEG"), (".png", "PNG"), (".webp", "WEBP")):
            cases[f"exif-{name}{suffix}"] = Case(encoded(picture(), format, exif=block), "used")
    for value in (0, 9, 4711):
        cases[f"orientation-{value}.jpg"] = Case(encoded(picture(), "JPEG", exif=exif(orientation=value)), "used")
    return cases


def every_file() -> dict[str, Case]:
    """The whole corpus."""
    rooms = (not_images, cut_files, rotten_files, sizes, modes, wide_levels, animations, broken_exif)
    return {name: case for room in rooms for name, case in room().items()}


def mutations(n: int, *, seed: int) -> Iterator[tuple[str, bytes]]:
    """Valid files with a few bytes changed, cut out, doubled or moved: (what was done, bytes)."""
    small = picture().resize((20, 16))
    valid = {format: encoded(small, format) for format in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "PPM", "BMP")}
    valid["TIFF-lzw"] = encoded(small, "TIFF", compression="tiff_lzw")
    valid["JPEG-cmyk"] = encoded(small.convert("CMYK"), "JPEG", exif=exif(orientation=5))
    rng = np.random.default_rng(seed)
    for i in range(n):
        name = list(valid)[i % len(valid)]
        data = bytearray(valid[name])
        for _ in range(int(rng.integers(1, 5))):
            # The first bytes hold the sizes and offsets that readers trust.
            at = int(rng.integers(0, len(data) if rng.random() < 0.5 else min(64, len(data))))
            how = int(rng.integers(0, 4))
            if how == 0:
                data[at] = int(rng.integers(0, 256))
            elif how == 1:
                data[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"])
            elif how == 2:
                del data[at : at + int(rng.integers(1, 40))]
            else:
                data[at:at] = data[at // 2 : at // 2 + int(rng.integers(1, 40))]
        yield f"{i}: {name}", bytes(data)


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def good(n: int, *, first: int = 100) -> dict[str, bytes]:
    """n ordinary pictures, all different."""
    return {f"good-{i}.jpg": encoded(picture(i), "JPEG", quality=90) for i in range(first, first + n)}


def state_of(root: Path) -> dict[bytes, tuple[int, int, bytes]]:
    """{path: (mode, mtime, content)} of all that lies below, links and pipes too, which are not opened."""
    state = {}
    for folder, folders, names in os.walk(os.fsencode(root)):
        for name in folders + names:
            path = os.path.join(folder, name)
            stat = os.lstat(path)
            held = b""
            if os.path.islink(path):
                held = os.readlink(path)
            elif os.path.isfile(path):
                held = Path(os.fsdecode(path)).read_bytes()
            state[path] = stat.st_mode, stat.st_mtime_ns, held
    return state


def inspect_json(run: Run, capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    """Exit status and document of `inspect --json`, whose counts must add up."""
    capsys.readouterr()
    status = run("inspect", *arguments, "--json")
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    document: dict[str, Any] = json.loads(out)
    files = document["files"]
    assert files["found"] == files["used"] + files["skipped"] + files["refused"]
    assert files["used"] == sum(n for counts in document["classes"].values() for n in counts.values())
    assert files["refused"] == len(document["refused"])
    assert files["skipped"] == sum(entry["n"] for entry in document["skipped"])
    return status, document


def make_gan_bundle(data: Path, out: Path, **info: Any) -> Path:
    """A bundle as `synth train gan` writes it, of a network that learned nothing, with one code of each training image.

    `info` takes the place of what bundle.json would say.
    """
    import torch

    from synth.data.dataset import open_dataset
    from synth.data.originals import Originals
    from synth.networks.autoencoder import Autoencoder
    from synth.settings.recipe import Data
    from synth.training.batches import read_inputs
    from synth.training.bundle import publish
    from synth.training.inference import encode
    from synth.training.loop import seeded

    dataset = open_dataset(data)
    items = [item for found in dataset.train.values() for item in found]
    classes, channels = dataset.classes, 1 if all(item.grey for item in items) else 3
    with seeded(0):
        network = Autoencoder(32, channels, 16, len(classes)).eval()
        torch.nn.init.normal_(network.generator.to_image.weight, std=0.05)  # so that its images have contrast
    encoded = encode(
        network.encoder, read_inputs(items, Originals(Data()), 32), torch.device("cpu"), n_channels=channels
    )
    bank = {
        "codes": torch.from_numpy(encoded),
        "owners": torch.arange(len(items)),
        "labels": torch.tensor([classes.index(item.label) for item in items]),
    }
    tensors = {**network.state_dict(), **{f"bank.{name}": values for name, values in bank.items()}}
    document = {
        "kind": "gan",
        "run": "0" * 12,
        "classes": list(classes),
        "side": 32,
        "network": {"code": 16, "channels": channels},
        "members": [],
        "counts": dict(dataset.train_counts),
        "settings": {"code_noise": 0.3},
        "seed": 0,
        "versions": {},
        "stopped": {},
        "sizes": {label: [24, 36] for label, n in dataset.train_counts.items() if n},
        "verdicts": {label: {"verdict": "usable", "reasons": []} for label, n in dataset.train_counts.items() if n},
    }
    lines = [json.dumps({"path": item.id, "sha256": item.sha256, "class": item.label}) for item in items]
    work = out.with_name(f"{out.name}.work")
    work.mkdir(parents=True)
    half = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    files = {"images.jsonl": "".join(f"{line}\n" for line in lines).encode(), "scores.json": b"{}"}
    return publish(work, out, info={**document, **info}, tensors=half, files=files).path
