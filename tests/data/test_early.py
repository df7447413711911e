"""Images that are decoded before their model is known: the very same samples, without the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from coral_action.config.data_schema import CalibrationConfig
from coral_action.config.paths import PathRules
from coral_action.data import EarlyImages, Samples
from coral_action.errors import DataError

Open = Callable[..., Samples]
SHAPE = (1, 6, 8, 3)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """12 colour images of 10 x 7 in two class folders: 280 bytes each, decoded."""
    generator = np.random.default_rng(3)
    folder = tmp_path / "in"
    for number in range(12):
        path = folder / "ab"[number % 3 == 0] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (7, 10, 3), dtype=np.uint8)).save(path)
    return folder


def decoded(folder: Path, data: dict[str, Any], shard: list[int], limit: int = 10**6) -> Any:
    early = EarlyImages()
    request = {
        "calibration": CalibrationConfig.model_validate(data).model_dump(mode="json"),
        "paths": PathRules(folder, folder).to_json(),
        "shard": shard,
        "bytes": limit,
    }
    return early, sum(1 for _ in early.decode(request))


def contents(samples: Samples) -> list[tuple[Any, ...]]:
    return [
        (sample.name, sample.position, sample.digest, sample.label, sample.inputs["in0"].tobytes())
        for sample in samples
    ]


@pytest.mark.parametrize("labels", [None, "folders"])
@pytest.mark.parametrize("shard", [[0, 1], [0, 2], [1, 2]])
def test_the_shard_that_is_asked_for_needs_no_file_any_more(
    tmp_path: Path, images: Path, opened: Open, labels: str | None, shard: list[int]
) -> None:
    data = {"images": "in", "samples": 9, "labels": labels}
    expected = contents(opened(data, SHAPE).shard(*shard))
    early, count = decoded(tmp_path, data, shard)
    assert count == len(expected)
    samples = opened(data, SHAPE, early=early).shard(*shard)
    for path in images.rglob("*.png"):
        path.unlink()
    assert contents(samples) == expected
    with pytest.raises(DataError, match="can't be read"):  # each is handed out once
        contents(samples)


def test_no_more_than_memory_allows(tmp_path: Path, images: Path) -> None:
    data = {"images": "in"}
    assert decoded(tmp_path, data, [0, 1], limit=12 * 280)[1] == 12
    assert decoded(tmp_path, data, [0, 1], limit=4 * 280 - 1)[1] == 3
    assert decoded(tmp_path, data, [0, 1], limit=279)[1] == 0
    gray = tmp_path / "gray"
    gray.mkdir()
    for number in range(9):
        Image.new("L", (10, 7)).save(gray / f"{number}.png")
    # 70 bytes each, but the next one must have room for three channels.
    assert decoded(tmp_path, {"images": "gray"}, [0, 1], limit=5 * 70 + 280)[1] == 6


def test_a_file_that_is_broken_is_named_where_it_is_used(
    tmp_path: Path, images: Path, opened: Open
) -> None:
    (images / "b" / "3.png").write_bytes(b"no image")
    data = {"images": "in", "shuffle": False, "samples": 12}
    early, count = decoded(tmp_path, data, [0, 1])
    names = opened(data, SHAPE).source.names
    assert 0 < count == names.index("b/3.png") < 11
    with pytest.raises(DataError, match=r"b/3\.png: an image that can't be decoded"):
        list(opened(data, SHAPE, early=early))


@pytest.mark.parametrize(
    "data",
    [
        {"images": "nowhere"},
        {"images": {"left": "in", "right": "in"}},
        {"npy": "x.npy"},
        {"images": "in", "labels": "missing.csv"},
    ],
)
def test_anything_else_is_left_to_the_request(
    tmp_path: Path, images: Path, data: dict[str, Any]
) -> None:
    assert decoded(tmp_path, data, [0, 1])[1] == 0
