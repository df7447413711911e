"""npy, npz and csv: what they hold is fed as it is, and nothing else happens."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_specs import Spec

from coral_action.data import Samples
from coral_action.errors import DataError

Open = Callable[..., Samples]
X = np.random.default_rng(1).normal(size=(7, 3, 2)).astype(np.float32)
IN_ORDER = {"shuffle": False}


class Trap:
    """Unpickling it would leave a trace."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("unpickled",)


def stacked(samples: Samples, name: str = "in0") -> np.ndarray:
    return np.concatenate([sample.inputs[name] for sample in samples])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2"])
def test_npy_rows(order: str, dtype: str, tmp_path: Path, opened: Open) -> None:
    array = np.asarray(X, dtype=dtype, order=order)
    np.save(tmp_path / "x.npy", array)
    samples = opened({"npy": "x.npy", **IN_ORDER}, (1, 3, 2))
    np.testing.assert_array_equal(stacked(samples), array.astype(np.float32))
    assert [sample.name for sample in samples][:2] == ["x.npy[0]", "x.npy[1]"]


def test_npy_for_each_input(tmp_path: Path, opened: Open) -> None:
    np.save(tmp_path / "a.npy", X)
    np.save(tmp_path / "b.npy", X[:, 0, 0])
    data = {"npy": {"in1": "b.npy", "in0": "a.npy"}, **IN_ORDER}
    samples = opened(data, (1, 3, 2), (1,))
    np.testing.assert_array_equal(stacked(samples), X)
    np.testing.assert_array_equal(stacked(samples, "in1"), X[:, 0, 0])
    np.save(tmp_path / "b.npy", X[:5, 0, 0])
    with pytest.raises(DataError, match="samples for input in"):
        opened(data, (1, 3, 2), (1,))


def test_nothing_is_unpickled(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trap = np.array([Trap()], dtype=object)
    np.save(tmp_path / "x.npy", trap)
    np.savez(tmp_path / "x.npz", x=trap)
    (tmp_path / "raw.npy").write_bytes(pickle.dumps(Trap()))
    for data in ({"npy": "x.npy"}, {"npz": "x.npz"}):
        with pytest.raises(DataError, match=r"x\.np.: .*pickled Python objects"):
            opened(data, (1, 1))
    with pytest.raises(DataError, match=r"raw\.npy: no \.npy array"):
        opened({"npy": "raw.npy"}, (1, 1))
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no .npy array"), (b"\x93NUMPY\1\0", "no .npy array"), (b"junk" * 9, "no .npy array")],
)
def test_broken_npy(content: bytes, message: str, tmp_path: Path, opened: Open) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(DataError) as caught:
        opened({"npy": "x.npy"}, (1, 3, 2))
    assert message in caught.value.message
    assert "x.npy" in caught.value.message


def test_npy_cut_short_names_numbers_and_pipes(tmp_path: Path, opened: Open) -> None:
    np.save(tmp_path / "x.npy", X)
    whole = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(whole[:-5])
    with pytest.raises(DataError, match=r"x\.npy: cut short: 163 of 168 bytes"):
        opened({"npy": "x.npy"}, (1, 3, 2))
    np.save(tmp_path / "x.npy", np.array(["a", "b"]))
    with pytest.raises(DataError, match="no number type"):
        opened({"npy": "x.npy"}, (1,))
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(DataError, match="not a regular file"):
        opened({"npy": "pipe.npy"}, (1,))
    with pytest.raises(DataError, match="no such file"):
        opened({"npy": "gone.npy"}, (1,))


@pytest.mark.parametrize(
    ("row", "dtype"),
    [([0.0, 0.5], "uint8"), ([0, 256], "uint8"), ([-1, 0], "uint8"), ([1.5, 2.0], "int32"),
     ([0.0, 3e9], "int32"), ([0.0, np.nan], "int32")],
)  # fmt: skip
def test_an_integer_input_takes_what_it_can_hold(
    row: list[float], dtype: str, tmp_path: Path, opened: Open
) -> None:
    specs = [Spec("ids", (1, 2), dtype)]
    np.save(tmp_path / "x.npy", np.array([[7.0, 200.0]]))
    (sample,) = opened({"npy": "x.npy"}, specs=specs)
    assert sample.inputs["ids"].dtype == dtype
    assert sample.inputs["ids"].tolist() == [[7, 200]]
    np.save(tmp_path / "x.npy", np.array([row]))
    with pytest.raises(DataError, match=r"calibration: x\.npy\[0\]: (values from|holds NaN)"):
        list(opened({"npy": "x.npy"}, specs=specs))


def test_nan_is_refused_by_name(tmp_path: Path, opened: Open) -> None:
    array = X.copy()
    array[4, 1, 1] = np.nan
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(DataError, match=r"calibration: x\.npy\[4\]: holds NaN"):
        list(opened({"npy": "x.npy"}, (1, 3, 2)))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_inputs_by_name_and_labels(save: Any, tmp_path: Path, opened: Open) -> None:
    labels = np.array([2, 0, 1, 1, 0, 2, 2])
    save(tmp_path / "d.npz", in1=X[:, 0], in0=X, y=labels)
    samples = opened({"npz": "d.npz"}, (1, 3, 2), (1, 2), evaluation=True)
    np.testing.assert_array_equal(stacked(samples), X)
    np.testing.assert_array_equal(stacked(samples, "in1"), X[:, 0])
    assert [sample.label for sample in samples] == labels.tolist()


def test_npz_x_is_the_only_input(tmp_path: Path, opened: Open) -> None:
    np.savez(tmp_path / "d.npz", x=X)
    assert len(list(opened({"npz": "d.npz"}, (1, 3, 2)))) == 7
    with pytest.raises(DataError, match="no array for the input in0"):
        opened({"npz": "d.npz"}, (1, 3, 2), (1, 2))
    unlabelled = opened({"npz": "d.npz"}, (1, 3, 2), evaluation=True)
    assert {sample.label for sample in unlabelled} == {None}


def test_npz_an_input_called_y_is_no_label(tmp_path: Path, opened: Open) -> None:
    arrays = {"x": np.arange(3.0), "y": np.arange(3.0) + 5}
    np.savez(tmp_path / "d.npz", **arrays)
    specs = [Spec("x", (1, 1)), Spec("y", (1, 1))]
    for evaluation in (True, False):
        samples = opened({"npz": "d.npz", "shuffle": False}, specs=specs, evaluation=evaluation)
        assert [s.label for s in samples] == [None] * 3
        assert [s.inputs["y"].item() for s in samples] == [5, 6, 7]
        assert samples.source.classes is None


def test_npz_masks(tmp_path: Path, opened: Open) -> None:
    masks = np.arange(7 * 4).reshape(7, 2, 2) % 3
    np.savez(tmp_path / "d.npz", x=X, y=masks)
    samples = list(opened({"npz": "d.npz"}, (1, 3, 2), evaluation=True))
    np.testing.assert_array_equal(np.stack([s.label for s in samples]), masks)


@pytest.mark.parametrize("y", [[0.5] * 7, [-1] * 7, [[1, 2]] * 7])
def test_npz_numbers_that_are_no_classes(y: list[Any], tmp_path: Path, opened: Open) -> None:
    """They are the values that a regression is held against."""
    np.savez(tmp_path / "d.npz", x=X, y=np.array(y))
    labels = [sample.label for sample in opened({"npz": "d.npz"}, (1, 3, 2), evaluation=True)]
    np.testing.assert_array_equal(np.stack(labels), np.array(y, dtype=np.float32))
    assert {sample.label for sample in opened({"npz": "d.npz"}, (1, 3, 2))} == {None}


def test_npz_labels_that_are_no_numbers(tmp_path: Path, opened: Open) -> None:
    np.savez(tmp_path / "d.npz", x=X, y=np.array(["a"] * 7))
    with pytest.raises(DataError, match=r"evaluation: d\.npz: y"):
        opened({"npz": "d.npz"}, (1, 3, 2), evaluation=True)
    assert len(opened({"npz": "d.npz"}, (1, 3, 2))) == 7  # calibration has no use for them


def npy_header(shape: str) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(1, np.float32))
    return buffer.getvalue().replace(b"(1,), }" + b" " * (len(shape) - 4), shape.encode() + b", }")


def test_npz_bombs_are_refused_by_what_they_declare(tmp_path: Path, opened: Open) -> None:
    header = npy_header("(99999999999, 3, 2)")
    assert len(header) % 64 == 4
    with zipfile.ZipFile(tmp_path / "liar.npz", "w") as archive:
        archive.writestr("x.npy", header)
    with pytest.raises(DataError, match=r"liar\.npz: x\.npy: its header declares \[99999999999,"):
        opened({"npz": "liar.npz"}, (1, 3, 2))


def test_npz_declared_size_has_a_limit(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "zeros.npz", x=np.zeros((1000, 3, 2), np.float32))
    monkeypatch.setattr("coral_action.data.npz.MAX_UNPACKED_BYTES", 20_000)
    with pytest.raises(DataError, match=r"zeros\.npz: 24,128 bytes when unpacked, more than"):
        opened({"npz": "zeros.npz"}, (1, 3, 2))


def test_npz_that_declares_less_than_it_holds(tmp_path: Path, opened: Open) -> None:
    np.savez_compressed(tmp_path / "less.npz", x=np.zeros((1000, 3, 2), np.float32))
    content = bytearray((tmp_path / "less.npz").read_bytes())
    place = content.rindex(b"PK\1\2") + 24  # uncompressed size in the central directory
    assert int.from_bytes(content[place : place + 4], "little") == 24_128
    content[place : place + 4] = (2000).to_bytes(4, "little")
    (tmp_path / "less.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"less\.npz"):
        opened({"npz": "less.npz"}, (1, 3, 2))


def test_npz_that_is_none(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "d.npz").write_bytes(b"PK\3\4 but no archive")
    with pytest.raises(DataError, match=r"d\.npz: no \.npz that can be read"):
        opened({"npz": "d.npz"}, (1, 3, 2))


TABLE = "time,a,b,c,class\n0,1,2.5,-3,1\n1,4,5e-1,6,0\n"


def test_csv_columns_by_name(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    config = {"file": "t.csv", "columns": {"p": ["c", "a"], "q": ["b"]}, "label": "class"}
    samples = list(
        opened({"csv": config}, evaluation=True, specs=[Spec("p", (1, 2, 1)), Spec("q", (1, 1))])
    )
    assert [s.inputs["p"].ravel().tolist() for s in samples] == [[-3, 1], [6, 4]]
    assert [s.inputs["q"].item() for s in samples] == [2.5, 0.5]
    assert [s.label for s in samples] == [1, 0]


@pytest.mark.parametrize("header", [True, False])
def test_csv_in_short(header: bool, tmp_path: Path, opened: Open) -> None:
    (tmp_path / "t.csv").write_text(("\ufeffa,b,c,d\n" if header else "") + "1,2,3,4\n\n5,6,7,8\n")
    samples = opened({"csv": "t.csv", **IN_ORDER}, (1, 2, 2))
    np.testing.assert_array_equal(stacked(samples), [[[1, 2], [3, 4]], [[5, 6], [7, 8]]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,high\n", "t.csv:3: column b: 'high' is no number"),
        ("1,2\n3,\n", "t.csv:2: column 1: '' is no number"),
        ("a,b\n1,nan\n", "t.csv:2: column b: 'nan' is not finite"),
        ("a,b\n1,2\n3\n", "t.csv:3: 1 columns, but the first row has 2"),
        ("a,b\n", "t.csv: no samples"),
        ("a,b,c\n1,2,3\n", "t.csv: columns of input in0: 3 values, but [1, 2] takes 2"),
        ('a,b\n"1,2\n', "t.csv:2: unexpected end of data"),
    ],
)
def test_broken_csv(text: str, message: str, tmp_path: Path, opened: Open) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError) as caught:
        opened({"csv": "t.csv"}, (1, 2))
    assert caught.value.message == f"calibration: {message}"


def test_csv_label_and_column_errors(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "t.csv").write_text("a,b,class\n1,2,0.5\n")
    with pytest.raises(DataError, match=r"t\.csv\[0\]: class is 0\.5, no class number"):
        opened({"csv": {"file": "t.csv", "label": "class"}}, (1, 2), evaluation=True)
    with pytest.raises(DataError, match=r"the column klass is not there"):
        opened({"csv": {"file": "t.csv", "label": "klass"}}, (1, 2), evaluation=True)
