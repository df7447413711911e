"""tfrecord, wav and python: held against TensorFlow, the standard library and plain arithmetic."""

from __future__ import annotations

import io
import resource
import shutil
import struct
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from coral_action.config.data_schema import CalibrationConfig
from coral_action.data import Samples
from coral_action.data.crc32c import crc32c
from coral_action.data.wav_clips import fit
from coral_action.errors import ConfigError, DataError, UsageError

Open = Callable[..., Samples]
RNG = np.random.default_rng(9)


def slow_crc(data: bytes) -> int:
    """CRC-32C bit by bit, from its definition."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 * (crc & 1))
    return crc ^ 0xFFFFFFFF


def test_crc32c_check_values() -> None:
    """RFC 3720, appendix B.4, and the check value of the CRC catalogue."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"") == 0


@given(st.binary(max_size=50), st.integers(0, 9000))
def test_crc32c_of_long_messages(seed: bytes, length: int) -> None:
    message = (seed + b"x") * (length // (len(seed) + 1) + 1)
    assert crc32c(message[:length]) == slow_crc(message[:length])


@pytest.fixture
def records(tmp_path: Path, tensorflow: Any) -> list[np.ndarray]:
    """Two files that TensorFlow wrote, with five samples in all; their images."""
    tf = tensorflow
    images = [RNG.integers(0, 256, (60, 80, 3), dtype=np.uint8) for _ in range(5)]

    def example(number: int) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(images[number]).save(buffer, "PNG")
        raw = np.array([number, -1, 300], "<i2").tobytes()
        feature = {
            "image/encoded": tf.train.Feature(
                bytes_list=tf.train.BytesList(value=[buffer.getvalue()])
            ),
            "numbers": tf.train.Feature(
                float_list=tf.train.FloatList(value=[number + 0.5, 1.0, 2.0, 3.0])
            ),
            "raw": tf.train.Feature(bytes_list=tf.train.BytesList(value=[raw])),
            "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number * 2])),
        }
        message = tf.train.Example(features=tf.train.Features(feature=feature))
        return bytes(message.SerializeToString())

    for file, numbers in (("a.tfrecord", (0, 1, 2)), ("b.tfrecord", (3, 4))):
        with tf.io.TFRecordWriter(str(tmp_path / file)) as writer:
            for number in numbers:
                writer.write(example(number))
    return images


FEATURES = {
    "in0": {"key": "image/encoded", "decode": "image"},
    "in1": {"key": "numbers", "shape": [2, 2]},
    "in2": {"key": "raw", "decode": "raw", "dtype": "int16"},
}
SHAPES = ((1, 60, 80, 3), (1, 2, 2), (1, 3))


def test_tfrecord_that_tensorflow_wrote(records: list[np.ndarray], opened: Open) -> None:
    config = {"files": "*.tfrecord", "features": FEATURES, "label": "label"}
    samples = opened({"tfrecord": config}, *SHAPES, preprocess={"preset": "raw"}, evaluation=True)
    names = [f"a.tfrecord[{i}]" for i in range(3)] + [f"b.tfrecord[{i}]" for i in range(2)]
    for number, sample in enumerate(samples):
        assert sample.name == names[number]
        assert sample.label == number * 2
        np.testing.assert_array_equal(sample.inputs["in0"][0], records[number])
        np.testing.assert_array_equal(sample.inputs["in1"][0], [[number + 0.5, 1], [2, 3]])
        np.testing.assert_array_equal(sample.inputs["in2"][0], [number, -1, 300])
    assert len(samples) == 5


@pytest.mark.parametrize("files", ["set", "set/*", "set/train.tfrecord-*", "set.txt"])
def test_tfrecord_in_many_numbered_files(
    files: str, records: list[np.ndarray], opened: Open, tmp_path: Path
) -> None:
    (tmp_path / "set").mkdir()
    names = [f"set/train.tfrecord-{i:05d}-of-00100" for i in range(100)]
    for name in names:
        shutil.copy(tmp_path / "b.tfrecord", tmp_path / name)
    (tmp_path / "set.txt").write_text("\n".join(names))
    config = {"files": files, "features": {"in0": {"key": "numbers"}}}
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_now = len(list(Path("/dev/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_now + 20, hard))
    try:
        assert len(list(opened({"tfrecord": config}, (1, 4)))) == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    one = {**config, "files": names[7]}
    assert [s.name for s in opened({"tfrecord": one, "shuffle": False}, (1, 4))] == [
        "train.tfrecord-00007-of-00100[0]",
        "train.tfrecord-00007-of-00100[1]",
    ]


def test_tfrecord_that_is_damaged(records: list[np.ndarray], opened: Open, tmp_path: Path) -> None:
    config = {"files": "a.tfrecord", "features": {"in0": {"key": "numbers"}}}
    path = tmp_path / "a.tfrecord"
    whole = path.read_bytes()
    length = struct.unpack_from("<Q", whole)[0]
    flipped = bytearray(whole)
    flipped[12 + length // 2] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(DataError, match=r"a\.tfrecord\[0\]: damaged: its CRC is wrong"):
        list(opened({"tfrecord": config}, (1, 4)))
    assert len(list(opened({"tfrecord": config, "max_bad_files": 1}, (1, 4)))) == 2
    for content, message in (
        (whole[:-3], r"a\.tfrecord: cut short in record 2"),
        (whole[:20], "cut short in record 0"),
        (b"\x1f\x8b" + whole, "compressed with gzip"),
        (b"junk" * 10, "damaged, or no TFRecord file"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            opened({"tfrecord": config}, (1, 4))


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ({"key": "gone"}, r"a\.tfrecord\[0\]: no feature gone"),
        ({"key": "raw"}, r"a\.tfrecord\[0\]: raw holds bytes, not numbers"),
        ({"key": "numbers", "shape": [5]}, r"a\.tfrecord\[0\]: numbers: 4 values, but \[5\]"),
        ({"key": "numbers", "decode": "image"}, "in0 of shape .* takes no images"),
        ({"key": "label", "decode": "raw", "dtype": "int8"}, "label holds numbers"),
    ],
)
def test_tfrecord_features_that_do_not_fit(
    feature: dict[str, Any], message: str, records: list[np.ndarray], opened: Open
) -> None:
    config = {"files": "a.tfrecord", "features": {"in0": feature}}
    with pytest.raises(DataError, match=message):
        list(opened({"tfrecord": config, "shuffle": False}, (1, 4)))


def write_wav(path: Path, values: np.ndarray, width: int = 2, channels: int = 1) -> None:
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(16000)
        file.writeframes(values.tobytes())


def test_wav_values_labels_and_length(tmp_path: Path, opened: Open) -> None:
    long, short = (RNG.integers(-32768, 32768, n).astype("<i2") for n in (12, 5))
    write_wav(tmp_path / "go" / "long.wav", long)
    write_wav(tmp_path / "stop" / "short.wav", short)
    data = {"wav": ".", "labels": "folders"}
    first, second = opened(data, (1, 8), evaluation=True)
    np.testing.assert_array_equal(first.inputs["in0"][0], long[:8] / 32768)
    np.testing.assert_array_equal(second.inputs["in0"][0], np.r_[short, 0, 0, 0] / 32768)
    assert (first.label, second.label) == (0, 1)
    kept = {"files": ".", "fit": "center", "scale": "int16", "sample_rate": 16000}
    first, second = opened({**data, "wav": kept}, (1, 8, 1), evaluation=True)
    np.testing.assert_array_equal(first.inputs["in0"].ravel(), long[2:10])
    np.testing.assert_array_equal(second.inputs["in0"].ravel(), np.r_[0, short, 0, 0])


@given(st.integers(0, 30), st.integers(1, 30), st.sampled_from(["start", "center", "end"]))
def test_fit_keeps_values_in_order(count: int, length: int, where: str) -> None:
    values = np.arange(1, count + 1)
    got = fit(values, length, where)
    assert len(got) == length
    kept = got[got > 0]
    assert len(kept) == min(count, length)
    assert (np.diff(kept) == 1).all()


def test_wav_that_is_not_16_bit_mono(tmp_path: Path, opened: Open) -> None:
    write_wav(tmp_path / "w" / "deep.wav", np.zeros(24, np.uint8), width=3)
    with pytest.raises(DataError, match=r"deep\.wav: 24-bit PCM, not 16-bit PCM"):
        list(opened({"wav": "w"}, (1, 8)))
    write_wav(tmp_path / "w" / "deep.wav", np.zeros(24, "<i2"), channels=2)
    with pytest.raises(DataError, match=r"deep\.wav: 2 channels, not one"):
        list(opened({"wav": "w"}, (1, 8)))
    write_wav(tmp_path / "w" / "deep.wav", np.zeros(24, "<i2"))
    with pytest.raises(DataError, match=r"deep\.wav: 16000 Hz, but wav\.sample_rate is 8000"):
        list(opened({"wav": {"files": "w", "sample_rate": 8000}}, (1, 8)))
    whole = (tmp_path / "w" / "deep.wav").read_bytes()
    for content, message in (
        (whole[:-4], "cut short: 44 of 48 bytes"),
        (whole[:36], "no sound in it"),
        (b"", "no RIFF WAVE"),
    ):
        (tmp_path / "w" / "deep.wav").write_bytes(content)
        with pytest.raises(DataError, match=rf"deep\.wav: {message}"):
            list(opened({"wav": "w"}, (1, 8)))


def test_wav_extensible_with_other_chunks(tmp_path: Path, opened: Open) -> None:
    values = np.arange(4, dtype="<i2")
    guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    layout = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 16000, 2, 16, 22, 16, 4) + guid
    body = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # odd sizes are padded
    body += b"fmt " + struct.pack("<I", len(layout)) + layout
    body += b"data" + struct.pack("<I", 8) + values.tobytes()
    riff = b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body
    (tmp_path / "x.wav").write_bytes(riff)
    (sample,) = opened({"wav": "x.wav"}, (1, 4))
    np.testing.assert_array_equal(sample.inputs["in0"][0], values / 32768)


CODE = """
import helper

def samples():
    for number in range(6):
        yield {"in0": helper.array(number), "in1": [[number]], "label": number % 3}

def failing():
    yield {"in0": helper.array(0), "in1": [[0]], "label": 0}
    raise RuntimeError("no more\\nlines")

def wrong():
    return [[1, 2]]

def unlabelled():
    inputs = {"in0": helper.array(0), "in1": [[0]]}
    return [{**inputs, "label": 1}, inputs]

def odd_labels():
    for label in (0.5, [3], [0.5, -2.0], [[0, 1], [1, 255]]):
        yield {"in0": helper.array(0), "in1": [[0]], "label": label}
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "data.py").write_text(CODE)
    helper = "import numpy\ndef array(n): return numpy.full((2, 2), n / 2)\n"
    (tmp_path / "helper.py").write_text(helper)
    return tmp_path


def test_python_runs_only_where_it_is_allowed(code: Path, opened: Open) -> None:
    (code / "data.py").write_text("import pathlib; pathlib.Path(__file__ + '.ran').touch()")
    with pytest.raises(UsageError, match="not allowed here"):
        opened({"python": "data.py:samples"}, (1, 2, 2), (1, 1))
    assert not (code / "data.py.ran").exists()


def test_coral_yml_can_not_allow_it() -> None:
    assert not [name for name in CalibrationConfig.model_fields if "allow" in name]


def test_python_samples(code: Path, opened: Open) -> None:
    samples = opened(
        {"python": "data.py:samples"}, (1, 2, 2), (1, 1), evaluation=True, allow_custom_code=True
    )
    assert len(samples) == 6
    for number, sample in enumerate(samples):
        np.testing.assert_array_equal(sample.inputs["in0"], np.full((1, 2, 2), number / 2))
        assert sample.inputs["in1"].item() == number
        assert sample.label == number % 3
        assert sample.name == f"data.py:samples[{number}]"
    few = opened(
        {"python": "data.py:samples", "samples": 2}, (1, 2, 2), (1, 1), allow_custom_code=True
    )
    assert len(few) == 2
    assert not (code / "__pycache__").exists()


def test_python_with_a_dataclass(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "data.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Clip:\n    level: float\n"
        "def samples(): return [{'in0': [Clip(0.5).level]}]\n"
    )
    (sample,) = opened({"python": "data.py:samples"}, (1, 1), allow_custom_code=True)
    assert sample.inputs["in0"].item() == 0.5


def test_python_labels(code: Path, opened: Open) -> None:
    """Values, class numbers and masks; calibration does not mind what they are."""
    source = {"python": "data.py:odd_labels"}
    labels = [
        sample.label
        for sample in opened(source, (1, 2, 2), (1, 1), evaluation=True, allow_custom_code=True)
    ]
    assert labels[0] == np.float32(0.5)
    assert labels[1] == 3
    np.testing.assert_array_equal(labels[2], np.array([0.5, -2.0], np.float32))
    np.testing.assert_array_equal(labels[3], [[0, 1], [1, 255]])
    assert labels[3].dtype == np.int32
    calibration = opened(source, (1, 2, 2), (1, 1), allow_custom_code=True)
    assert [sample.label for sample in calibration] == [None] * 4


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("failing", r"data\.py:10: failing failed: RuntimeError: no more"),
        ("wrong", r"data\.py:wrong\[0\]: a list, not a dict"),
        ("gone", r"data\.py: no function gone in it"),
        ("unlabelled", r"data\.py:unlabelled\[1\]: no label, unlike the first"),
    ],
)
def test_python_that_fails(function: str, message: str, code: Path, opened: Open) -> None:
    with pytest.raises(DataError, match=message) as caught:
        opened(
            {"python": f"data.py:{function}"},
            (1, 2, 2),
            (1, 1),
            evaluation=True,
            allow_custom_code=True,
        )
    assert "\n" not in caught.value.message


def test_python_outside_of_the_workspace(code: Path, opened: Open) -> None:
    (code / "link.py").symlink_to("/etc/hostname")
    with pytest.raises(ConfigError, match="outside of the workspace"):
        opened({"python": "link.py:f"}, (1,), allow_custom_code=True)
