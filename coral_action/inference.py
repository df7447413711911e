"""Running a .tflite on this machine's CPU with litert; int8 models take and give real values."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from coral_action.tflite import Tensor

Array = npt.NDArray[Any]

# The kernels that litert chooses by itself on a CPU; the report names them.
KERNELS = "xnnpack"

Kernels = Literal["xnnpack", "builtin"]


class Runner:
    """One model, ready to run sample by sample.

    Inputs and outputs are named as in the model's signature. A quantized input is quantized with
    its own scale and zero point, q = clip(round(x / scale) + zero point), and a quantized output
    dequantized, x = scale * (q - zero point) (TFLite 8-bit quantization specification).
    """

    def __init__(
        self,
        model: Path | bytes,
        inputs: dict[str, int],
        outputs: dict[str, int],
        *,
        keep_all_tensors: bool = False,
        kernels: Kernels = "xnnpack",
    ) -> None:
        """Load a model.

        Args:
            model: the .tflite, as a file or its content.
            inputs: tensor index of each input by name (`TfliteModel.input_names`).
            outputs: tensor index of each output by name.
            keep_all_tensors: keep the values of inner tensors readable after `run`.
            kernels: "xnnpack" is fast, and up to 7 steps off in int8; "builtin" are litert's own,
                which agree with the reference kernels on convolutional networks.
        """
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        source = {"model_path": str(model)} if isinstance(model, Path) else {"model_content": model}
        resolver = {
            "xnnpack": OpResolverType.AUTO,
            "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        }[kernels]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # keep_all_tensors is meant, whatever it costs
            self._interpreter = Interpreter(
                **source,
                num_threads=1,
                experimental_op_resolver_type=resolver,
                experimental_preserve_all_tensors=keep_all_tensors,
            )
        self._interpreter.allocate_tensors()
        details = {
            int(item["index"]): item
            for item in (
                *self._interpreter.get_input_details(),
                *self._interpreter.get_output_details(),
            )
        }
        self._inputs = {name: details[index] for name, index in inputs.items()}
        self._outputs = {name: details[index] for name, index in outputs.items()}

    def run(self, sample: dict[str, Array]) -> dict[str, Array]:
        """Real-valued outputs for one sample, in the shapes that the model has."""
        for name, detail in self._inputs.items():
            self._interpreter.set_tensor(detail["index"], _quantize(sample[name], detail))
        self._interpreter.invoke()
        return {
            name: _dequantize(self._interpreter.get_tensor(detail["index"]), detail)
            for name, detail in self._outputs.items()
        }

    def value(self, index: int) -> Array:
        """A copy of a tensor's value as it is stored, after `run`."""
        value: Array = self._interpreter.get_tensor(index)
        return value

    def view(self, index: int) -> Any:
        """A function that returns any tensor's memory, not a copy; drop its result before `run`."""
        return self._interpreter.tensor(index)


def fastest(
    model: Path | bytes, inputs: dict[str, int], outputs: dict[str, int]
) -> tuple[Runner, Kernels]:
    """A model with XNNPACK's kernels, and their name; with litert's own where XNNPACK refuses it.

    It does where scales lie too far apart for its fixed-point arithmetic.
    """
    try:
        return Runner(model, inputs, outputs), "xnnpack"
    except RuntimeError as error:
        if "XNNPACK" not in str(error):
            raise
    return Runner(model, inputs, outputs, kernels="builtin"), "builtin"


def quantize_input(value: Array, tensor: Tensor) -> Array:
    """A real-valued input as a model stores it."""
    scale = tensor.scales[0] if tensor.scales else 0.0
    zero_point = tensor.zero_points[0] if tensor.zero_points else 0
    return _stored(value, np.float32(scale), zero_point, np.dtype(tensor.dtype))


def _quantize(value: Array, detail: dict[str, Any]) -> Array:
    return _stored(value, *_parameters(detail), np.dtype(detail["dtype"]))


def _stored(value: Array, scale: np.float32, zero_point: int, dtype: np.dtype[Any]) -> Array:
    if not scale:
        return value.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    steps: Array = np.asarray(value / scale)
    # In place: a second array of an image's size would cost more than the arithmetic.
    np.rint(steps, out=steps)
    np.add(steps, zero_point, out=steps)
    np.clip(steps, limits.min, limits.max, out=steps)
    return steps.astype(dtype)


def _parameters(detail: dict[str, Any]) -> tuple[np.float32, int]:
    scale, zero_point = detail["quantization"]
    return np.float32(scale), int(zero_point)


def _dequantize(value: Array, detail: dict[str, Any]) -> Array:
    scale, zero_point = _parameters(detail)
    if not scale:
        return value
    return ((value.astype(np.int32) - zero_point) * scale).astype(np.float32)
