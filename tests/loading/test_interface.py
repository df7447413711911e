"""Shapes, dtypes and constants that coral.yml gives, against what the file says."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from coral_action.config.schema import ModelConfig
from coral_action.errors import ModelError
from coral_action.loading.interface import LoadRequest, OpenInput, static_input, static_shape


@pytest.mark.parametrize(
    ("known", "wanted", "result"),
    [
        ([None, 28, 28, 1], None, (1, 28, 28, 1)),
        ([1, 5], None, (1, 5)),
        ([None], None, (1,)),
        ([None, None, None, 3], (1, 8, 9, 3), (1, 8, 9, 3)),
        (None, (1, 2), (1, 2)),
    ],
)
def test_static_shape(known: Any, wanted: Any, result: Any) -> None:
    assert static_shape("x", known, wanted) == result


@pytest.mark.parametrize(
    ("known", "wanted", "message"),
    [
        ([None, None, None, 3], None, "its size is not in the file"),
        (None, None, "has shape unknown"),
        ([8, 28, 28, 1], None, "fixed batch size of 8"),
        ([None, 28], (1, 29), "has shape [?, 28] in the file, [1, 29] in coral.yml"),
        ([None, 28], (1, 28, 1), "has shape [?, 28] in the file"),
        (None, (4, 28), "batch size 4"),
    ],
)
def test_shape_is_refused(known: Any, wanted: Any, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        static_shape("x", known, wanted)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("dtype", "message"),
    [("string", "takes text or encoded data"), ("complex64", "takes complex64")],
)
def test_dtype_is_refused(dtype: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        static_input(OpenInput("x", [1, 2], dtype), LoadRequest("m", "keras"))


def model(**options: Any) -> ModelConfig:
    return ModelConfig.model_validate(
        {"name": "m", "source": "m", "calibration": {"npy": "x.npy"}, **options}
    )


def test_configuration() -> None:
    config = model(
        inputs=["a"],
        input_shapes={"a": [1, 2]},
        constants={"k": 1.0, "t": False, "n": 3, "v": [1.0, 2.0]},
    )
    assert config.inputs == {"a": None}
    assert config.constants["t"] is False
    assert config.constants["n"] == 3
    assert config.constants["v"] == [1.0, 2.0]


@pytest.mark.parametrize(
    "options",
    [
        {"inputs": {"a": [1, 2]}, "input_shapes": {"a": [1, 3]}},
        {"inputs": ["a"], "constants": {"a": 1.0}},
        {"input_shapes": {"a": [1, 3]}, "constants": {"a": 1.0}},
        {"constants": {"a": "text"}},
        {"input_shapes": {"a": [0]}},
        {"allow_custom_code": True},
    ],
)
def test_configuration_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model(**options)
