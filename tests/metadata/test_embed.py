"""Metadata in a model file: read by the published schema, and nothing of the model changed."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from flatbuffers import number_types as numbers
from hypothesis import given, settings
from hypothesis import strategies as st

from coral_action.edgetpu import read_compiled
from coral_action.errors import ModelError
from coral_action.metadata import ImageInput, ModelDescription, described, embed
from coral_action.tflite import pack, read_model, unpack
from tests.evaluation.graphs import detector, mixer
from tests.metadata.published_schema import metadata_of, packed_files, tensors_of

IMAGE = ImageInput("rgb", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
LABELS = ("cat", "dog  barking", "größer", "fish")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Four scores of a pixel of three channels."""
    weights = np.arange(12, dtype=np.float32).reshape(4, 3)
    return mixer(tmp_path_factory.mktemp("m") / "m.tflite", (1, 1, 3), weights).path.read_bytes()


@pytest.fixture(scope="module")
def embedded(plain: bytes) -> bytes:
    description = described("mixer", read_model(plain), {"image": IMAGE}, LABELS)
    assert description is not None
    return embed(plain, description)


def test_fields_by_the_published_schema(embedded: bytes) -> None:
    metadata = metadata_of(embedded)
    assert metadata is not None
    assert (metadata.text(0), metadata.text(7)) == ("mixer", "1.0.0")
    ((image,), (scores,)) = tensors_of(metadata)
    assert image.text(0) == "image"
    content = image.child(3)
    assert content.byte(0) == 2  # ImageProperties
    assert content.child(1).byte(0) == 1  # RGB
    (unit,) = image.children(4)
    assert unit.byte(0) == 1  # NormalizationOptions
    options = unit.child(1)
    assert options.array(0, numbers.Float32Flags) == pytest.approx(IMAGE.mean)
    assert options.array(1, numbers.Float32Flags) == pytest.approx(IMAGE.std)
    stats = image.child(5)
    # ImageNet's: white is (255 - mean) / std, black is -mean / std.
    assert stats.array(0, numbers.Float32Flags) == pytest.approx([2.2489, 2.4286, 2.64], abs=1e-3)
    assert stats.array(1, numbers.Float32Flags) == pytest.approx(
        [-2.1179, -2.0357, -1.8044], abs=1e-3
    )
    (file,) = scores.children(6)
    assert (file.text(0), file.byte(2)) == ("labels.txt", 2)  # TENSOR_AXIS_LABELS


def test_labels_are_packed_one_a_line(embedded: bytes) -> None:
    assert packed_files(embedded) == {"labels.txt": "cat\ndog barking\ngrößer\nfish\n"}


def test_the_model_is_in_it_byte_for_byte(plain: bytes, embedded: bytes) -> None:
    start = embedded.index(plain)
    assert start % 64 == 0
    assert embedded[start + len(plain) :].startswith(b"PK")


def test_it_computes_the_same(plain: bytes, embedded: bytes) -> None:
    x = np.random.default_rng(1).normal(size=(1, 1, 1, 3)).astype(np.float32)
    results = []
    for content in (plain, embedded):
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        results.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    np.testing.assert_array_equal(*results)


def test_everything_else_of_the_model_is_still_there(plain: bytes, embedded: bytes) -> None:
    """The object API, which follows every offset, packs both to the same bytes but the metadata."""
    bare, full = unpack(plain), unpack(embedded)
    names = [entry.name for entry in full.metadata]
    assert names == [*(entry.name for entry in bare.metadata or []), b"TFLITE_METADATA"]
    assert len(full.buffers) == len(bare.buffers) + 1
    full.metadata, full.buffers = bare.metadata, full.buffers[:-1]
    assert pack(full) == pack(bare)


def test_metadata_that_is_there_is_kept(embedded: bytes) -> None:
    assert embed(embedded, ModelDescription("other", (), ())) is embedded


def test_no_labels_no_archive(plain: bytes) -> None:
    description = described("mixer", read_model(plain), {"image": IMAGE}, ())
    assert description is not None
    content = embed(plain, description)
    assert metadata_of(content) is not None
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(content))


def test_nothing_known_nothing_described(plain: bytes) -> None:
    assert described("mixer", read_model(plain), {}, ()) is None
    assert described("mixer", read_model(plain), {}, LABELS[:3]) is None  # but four scores


@pytest.mark.parametrize(("color", "space"), [("gray", 2), ("bgr", 0)])
def test_colours(plain: bytes, color: str, space: int) -> None:
    image = ImageInput(color, (0.0,), (1.0,))
    description = described("mixer", read_model(plain), {"image": image}, ())
    assert description is not None
    metadata = metadata_of(embed(plain, description))
    assert metadata is not None
    assert tensors_of(metadata)[0][0].child(3).child(1).byte(0) == space


def test_a_detector(tmp_path: Path) -> None:
    content = detector(tmp_path / "d.tflite", np.full((3, 4), 0.5), 2, 3).path.read_bytes()
    description = described("d", read_model(content), {}, ("person", "???", "dog"))
    assert description is not None
    full = embed(content, description)
    metadata = metadata_of(full)
    assert metadata is not None
    _, outputs = tensors_of(metadata)
    names = ["location", "category", "score", "number of detections"]
    assert [output.text(0) for output in outputs] == names
    boxes = outputs[0].child(3)
    assert boxes.byte(0) == 3  # BoundingBoxProperties
    # The file has ymin, xmin, ymax, xmax; the schema counts left, top, right, bottom.
    assert boxes.child(1).array(0, numbers.Uint32Flags) == [1, 0, 3, 2]
    assert boxes.child(1).byte(1) == 1  # BOUNDARIES
    assert [
        (o.child(3).child(2).integer(0), o.child(3).child(2).integer(1)) for o in outputs[:3]
    ] == [(2, 2)] * 3
    (file,) = outputs[1].children(6)
    assert file.byte(2) == 3  # TENSOR_VALUE_LABELS
    assert packed_files(full)["labels.txt"] == "person\n???\ndog\n"


def test_compiled_programs_keep_every_byte(corpus: Path) -> None:
    files = sorted((corpus / "corpus" / "compiled").glob("*_edgetpu.tflite"))
    assert len(files) >= 19
    for path in files:
        content = path.read_bytes()
        description = ModelDescription("m", (), (), ("a", "b"))
        full = embed(content, description)
        if metadata_of(content) is None:
            assert full != content
            assert content in full
            assert packed_files(full)
        target = path.name
        before, after = read_compiled(read_model(content)), read_compiled(read_model(full))
        assert after.subgraphs == before.subgraphs, target


@settings(max_examples=300)
@given(st.data())
def test_damaged_files_end_in_one_clean_error(plain: bytes, data: st.DataObject) -> None:
    broken = bytearray(plain)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(8, min(len(broken), 200) - 1))
        broken[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(broken)))
    for content in (bytes(broken), bytes(broken[:cut])):
        try:
            embed(content, ModelDescription("m", (), (), ("a",)))
        except ModelError as error:
            assert (
                "damaged" in error.message or "TFL3" in error.message or "outside" in error.message
            )
