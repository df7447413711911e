"""A corpus of odd and broken images: right pixels, or an error that names the file."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from coral_action.data import Samples
from coral_action.data.images import decode_image
from coral_action.data.samples import BadFileError
from coral_action.errors import ConfigError, DataError

Open = Callable[..., Samples]
RNG = np.random.default_rng(3)
RGB = RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)
SHAPE = (1, 6, 5, 3)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG written by hand, as its specification lays it out."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunks + png_chunk(b"IEND", b"")


def only(samples: Samples) -> np.ndarray:
    (sample,) = samples
    return sample.inputs["in0"][0]


def refused(opened: Open, path: Path) -> str:
    with pytest.raises(DataError) as caught:
        list(opened({"images": path.parent.name}, SHAPE))
    assert path.name in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def test_16_bit_gray_png_is_scaled_by_257(folder: Path, opened: Open) -> None:
    values = np.array([[0, 128, 129, 257 * 7, 65535], [1000, 32768, 60000, 400, 65407]], ">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    (folder / "deep.png").write_bytes(png(5, 2, 16, 0, rows))
    got = only(opened({"images": "in"}, (1, 2, 5, 1)))[..., 0]
    np.testing.assert_array_equal(got, np.round(values.astype(float) / 257))


def test_16_bit_colour_png_keeps_the_upper_8_bits(folder: Path, opened: Open) -> None:
    values = RNG.integers(0, 65536, (6, 5, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    (folder / "deep.png").write_bytes(png(5, 6, 16, 2, rows))
    np.testing.assert_array_equal(only(opened({"images": "in"}, SHAPE)), values >> 8)


@pytest.mark.parametrize(("dtype", "word"), [(np.float32, "floats"), (np.int32, "32-bit")])
def test_float_and_32_bit_tiff_are_refused(
    dtype: type, word: str, folder: Path, opened: Open
) -> None:
    Image.fromarray(RGB[..., 0].astype(dtype)).save(folder / "deep.tiff")
    assert word in refused(opened, folder / "deep.tiff")


def test_cmyk_jpeg_becomes_rgb(folder: Path, opened: Open) -> None:
    cmyk = np.empty((6, 5, 4), np.uint8)
    cmyk[:] = (40, 80, 120, 50)
    Image.fromarray(cmyk, "CMYK").save(folder / "print.jpg", quality=100)
    expected = [(255 - c) * (255 - 50) / 255 for c in (40, 80, 120)]
    got = only(opened({"images": "in"}, SHAPE))
    assert np.abs(got - expected).max() <= 2  # JPEG at quality 100


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [  # EXIF 2.3, tag 0x0112: how the stored rows and columns lie
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: a.transpose(1, 0, 2)[::-1, ::-1]),
        (8, lambda a: np.rot90(a)),
    ],
)
def test_exif_orientation(
    orientation: int, upright: Callable[[np.ndarray], np.ndarray], folder: Path, opened: Open
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RGB).save(folder / "turned.png", exif=exif)
    expected = upright(RGB)
    got = only(opened({"images": "in"}, (1, *expected.shape)))
    np.testing.assert_array_equal(got, expected)


def test_palette_with_alpha_shows_the_palettes_colours(folder: Path, opened: Open) -> None:
    palette = Image.new("P", (5, 6))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    numbers = RNG.integers(0, 2, (6, 5), dtype=np.uint8)
    palette.putdata(numbers.ravel().tolist())
    palette.save(folder / "palette.png", transparency=bytes([0, 128]))
    expected = np.array([[10, 20, 30], [200, 100, 50]])[numbers]
    np.testing.assert_array_equal(only(opened({"images": "in"}, SHAPE)), expected)


def test_alpha_is_dropped_as_keras_and_tensorflow_do(folder: Path, opened: Open) -> None:
    alpha = RNG.integers(0, 256, (6, 5, 1), dtype=np.uint8)
    Image.fromarray(np.concatenate([RGB, alpha], axis=2)).save(folder / "alpha.png")
    np.testing.assert_array_equal(only(opened({"images": "in"}, SHAPE)), RGB)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "tiff"])
def test_lossless_formats(suffix: str, folder: Path, opened: Open) -> None:
    Image.fromarray(RGB).save(folder / f"image.{suffix}")
    np.testing.assert_array_equal(only(opened({"images": "in"}, SHAPE)), RGB)


def test_webp_jpeg_and_the_first_frame_of_gif(folder: Path, opened: Open) -> None:
    flat = np.full((6, 5, 3), (200, 30, 90), np.uint8)
    first, second = Image.fromarray(flat), Image.new("RGB", (5, 6), "white")
    first.save(folder / "a.webp", lossless=True)
    first.save(folder / "b.jpeg", quality=100)
    first.save(folder / "c.gif", save_all=True, append_images=[second])
    for sample in opened({"images": "in"}, SHAPE):
        assert np.abs(sample.inputs["in0"][0] - flat).max() <= 3, sample.name


def test_truncated_jpeg_and_zero_bytes(folder: Path, opened: Open) -> None:
    buffer = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (99, 99, 3), dtype=np.uint8)).save(buffer, "JPEG")
    for content in (buffer.getvalue()[:-400], b"", b"not an image"):
        (folder / "cut.jpg").write_bytes(content)
        assert "can't be decoded" in refused(opened, folder / "cut.jpg")


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_header_that_declares_a_huge_image_is_refused(
    side: int, folder: Path, opened: Open
) -> None:
    (folder / "bomb.png").write_bytes(png(side, side, 8, 2, b"\0"))
    assert "too many" in refused(opened, folder / "bomb.png")


def test_fifo_device_and_folder_are_refused_without_waiting(folder: Path, opened: Open) -> None:
    os.mkfifo(folder / "pipe.png")
    assert "not a regular file" in refused(opened, folder / "pipe.png")
    (folder / "pipe.png").unlink()
    (folder / "folder.png").mkdir()
    with pytest.raises(DataError, match=r"folder\.png: can't be read"):
        list(opened({"images": "in/*.png"}, SHAPE))
    (folder / "zero.png").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"zero\.png: not a regular file"):
        list(opened({"images": "in"}, SHAPE, root=None))


def test_a_link_out_of_the_workspace_is_refused(
    folder: Path, opened: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.png"
    Image.fromarray(RGB).save(outside)
    (folder / "link.png").symlink_to(outside)
    with pytest.raises(ConfigError, match="outside of the workspace"):
        list(opened({"images": "in"}, SHAPE))


def test_a_loop_of_links_is_refused(folder: Path, opened: Open) -> None:
    (folder / "loop.png").symlink_to("loop.png")
    refused(opened, folder / "loop.png")


def test_a_name_that_is_no_utf_8_can_be_read_and_shown(folder: Path, opened: Open) -> None:
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "PNG")
    path = os.fsencode(folder) + b"/caf\xe9\n::error::.png"
    with open(path, "wb") as file:  # noqa: PTH123 - Path takes no bytes
        file.write(buffer.getvalue())
    (sample,) = opened({"images": "in"}, SHAPE)
    assert sample.name == "caf\\xe9\\n::error::.png"
    np.testing.assert_array_equal(sample.inputs["in0"][0], RGB)


def test_a_program_behind_an_image_suffix_is_not_run(folder: Path, opened: Open) -> None:
    """Pillow would hand EPS to Ghostscript."""
    (folder / "script.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage"
    )
    assert "no JPEG, PNG" in refused(opened, folder / "script.png")


def test_hidden_files_are_passed_over(folder: Path, opened: Open) -> None:
    Image.fromarray(RGB).save(folder / "a.png")
    (folder / "._a.png").write_bytes(b"\0\5\x16\7 what macOS leaves behind")
    (folder / ".git").mkdir()
    Image.fromarray(RGB).save(folder / ".git" / "b.png")
    assert [sample.name for sample in opened({"images": "in"}, SHAPE)] == ["a.png"]


def test_bad_files_are_counted_named_and_tolerated(folder: Path, opened: Open) -> None:
    for number in range(4):
        Image.fromarray(RGB).save(folder / f"{number}.png")
    (folder / "x.png").write_bytes(b"")
    (folder / "y.jpg").write_bytes(b"text")
    samples = opened({"images": "in", "max_bad_files": 2}, SHAPE)
    assert sorted(sample.name for sample in samples) == ["0.png", "1.png", "2.png", "3.png"]
    assert sorted(bad.name for bad in samples.bad_files) == ["x.png", "y.jpg"]
    with pytest.raises(DataError, match=r"calibration: 2 files .* max_bad_files is 1: .*x\.png"):
        list(opened({"images": "in", "max_bad_files": 1, "shuffle": False}, SHAPE))


def test_only_bad_files_are_no_samples(folder: Path, opened: Open) -> None:
    (folder / "x.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"its only file is x\.png: an image that can't be"):
        list(opened({"images": "in", "max_bad_files": 9}, SHAPE))


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.default_rng(5).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind, exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_files_raise_nothing_else(kind: str, data: st.DataObject) -> None:
    content = bytearray(encoded(kind))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    try:
        image = decode_image(bytes(content[:cut]), "file")
    except BadFileError as error:
        assert error.message.startswith("file: ")
    else:
        assert image.size[0] > 0
