"""Code in Keras configurations is found wherever it hides, and plain Keras passes."""

from __future__ import annotations

from typing import Any

import pytest

from coral_action.errors import ModelError
from coral_action.loading.interface import LoadRequest
from coral_action.loading.keras_config import refuse_code

REQUEST = LoadRequest(source="model.keras", format="keras")


def layer(kind: str, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "module": module, "config": config, "registered_name": None}


def model(*layers: dict[str, Any], **extra: Any) -> dict[str, Any]:
    return {**layer("Functional", "keras.src.models.functional", layers=list(layers)), **extra}


@pytest.mark.parametrize(
    ("hidden", "named"),
    [
        (layer("Lambda", name="a"), "a (Lambda)"),
        (layer("Dense", activation=layer("Lambda", name="deep")), "deep (Lambda)"),
        (layer("Dense", activation={"class_name": "__lambda__", "config": {}}), "__lambda__"),
        (layer("TimeDistributed", layer=layer("Lambda", name="b")), "b (Lambda)"),
        (layer("system", "os"), "system from the module os"),
        (layer("Popen", "subprocess"), "the module subprocess"),
        (layer("get_file", "keras.utils"), "the module keras.utils"),
        (layer("load_model", "keras.saving"), "the module keras.saving"),
        (layer("Dense", "keras.layers/../os"), "the module keras.layers/../os"),
        (layer("Dense", "kerasx.layers"), "the module kerasx.layers"),
        (layer("eval", "builtins"), "eval from the module builtins"),
        (layer("Own", "my_package.layers", name="o"), "o (Own) from the module my_package"),
        (layer("TFSMLayer", filepath="/tmp/x"), "TFSMLayer"),
        (layer("TorchModuleWrapper", name="t"), "t (TorchModuleWrapper)"),
        ({"class_name": "Own>Layer", "config": {"name": "o"}}, "a class of its maker's"),
        ({**layer("X", None), "registered_name": "Own>X"}, "a class of its maker's"),
        (layer("TFOpLambda", None, name="w", function="io.write_file"), "calling io.write_file"),
        (layer("TFOpLambda", None, name="w", function="py_function"), "calling py_function"),
        (layer("TFOpLambda", None, name="w", function="load_library"), "calling load_library"),
        (layer("TFOpLambda", None, name="w", function=["math.add"]), "calling"),
        (layer("Dense", 7), "the module 7"),
    ],
)
def test_code_is_refused(hidden: dict[str, Any], named: str) -> None:
    for config in (model(hidden), model(model(hidden)), {"deep": [[{"x": hidden}]]}):
        with pytest.raises(ModelError) as caught:
            refuse_code(config, REQUEST)
        assert named in caught.value.message
        assert "--allow-custom-code" in caught.value.hint


@pytest.mark.parametrize(
    "plain",
    [
        layer("Dense", activation="relu"),
        layer("Conv2D", "keras.src.layers.convolutional.conv2d"),
        layer("Dense", kernel_initializer=layer("GlorotUniform", "keras.initializers")),
        layer("Dense", dtype=layer("DTypePolicy", "keras")),
        layer("Dense", "tensorflow.keras.layers"),
        {"class_name": "Conv2D", "config": {"name": "keras_2"}},
        layer("TFOpLambda", None, function="math.add"),
        layer("TFOpLambda", None, function="compat.v1.nn.relu"),
        layer("TFOpLambda", None, function="reshape"),
        layer("Add", "keras.src.ops.numpy"),
    ],
)
def test_plain_keras_passes(plain: dict[str, Any]) -> None:
    refuse_code(model(plain), REQUEST)


def test_training_configuration_does_not_count() -> None:
    """A custom loss is no reason to refuse a model: it is never loaded."""
    refuse_code(model(compile_config={"loss": layer("own_loss", "my_package")}), REQUEST)


def test_allowed_by_the_command_line() -> None:
    request = LoadRequest(source="model.keras", format="keras", allow_custom_code=True)
    refuse_code(model(layer("Lambda")), request)
