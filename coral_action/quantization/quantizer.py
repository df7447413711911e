"""The quantizer: TensorFlow's MLIR quantizer, run on a float flatbuffer that carries our ranges.

The ranges go into each tensor's quantization min and max, where the quantizer looks for the result
of a calibration: any calibrator can feed it, and unedited ranges give TensorFlow's own result.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

from coral_action.errors import QuantizationError
from coral_action.isolation import ProgressCallback
from coral_action.tflite import pack, schema, unpack

# tensorflow/lite/python/schema: TensorType, which the quantizer takes as a number.
_INT8 = 9
# Packages around the quantizer's extension module whose __init__ would import all of TensorFlow.
_PARENTS = (
    "tensorflow",
    "tensorflow.compiler",
    "tensorflow.compiler.mlir",
    "tensorflow.compiler.mlir.lite",
    "tensorflow.compiler.mlir.lite.python",
    "tensorflow.python",
)


def annotate(content: bytes, ranges: dict[int, tuple[float, float]]) -> bytes:
    """The float flatbuffer with the given [min, max] on each tensor, by tensor index."""
    model = unpack(content)
    for index, (low, high) in ranges.items():
        quantization = schema().QuantizationParametersT()
        quantization.min = [low]
        quantization.max = [high]
        model.subgraphs[0].tensors[index].quantization = quantization
    return pack(model)


def quantize(content: bytes) -> bytes:
    """Full-integer int8, int8 in and out, from an annotated float flatbuffer.

    Convolutions are quantized per channel and fully-connected layers per tensor, as the Edge TPU
    needs it.

    Raises:
        QuantizationError: if TensorFlow refuses the model.
    """
    api = _converter_api()
    try:
        result = api.ExperimentalMlirQuantizeModel(
            content,
            False,  # disable_per_channel
            True,  # fully_quantize
            _INT8,  # inference_type
            _INT8,  # input_data_type
            _INT8,  # output_data_type
            False,  # enable_numeric_verify
            False,  # enable_whole_model_verify
            None,  # op_blocklist
            None,  # node_blocklist
            False,  # enable_variable_quantization
            True,  # disable_per_channel_for_dense_layers
            "",  # debug_options
        )
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        telling = [line for line in lines if "error:" in line] or lines or ["no reason given"]
        raise QuantizationError(
            f"TensorFlow's quantizer refuses the model: {telling[0][:300]}",
            hint="run again with --debug to see all that it says",
        ) from error
    return bytes(result)


def _converter_api() -> Any:
    """The quantizer's extension module, without importing TensorFlow (0.3 s instead of 2.4 s).

    The packages around it are stubbed, which is only safe in a process that needs no more of
    TensorFlow; where the module can't be had that way, the plain import serves.
    """
    name = "tensorflow.compiler.mlir.lite.python._pywrap_converter_api"
    if "tensorflow" not in sys.modules:
        spec = importlib.util.find_spec("tensorflow")
        roots = list(spec.submodule_search_locations or []) if spec else []
        for parent in _PARENTS:
            stub = types.ModuleType(parent)
            below = parent.split(".")[1:]
            stub.__path__ = [str(Path(root, *below)) for root in roots]
            sys.modules[parent] = stub
        try:
            return importlib.import_module(name)
        except ImportError:
            for parent in _PARENTS:
                sys.modules.pop(parent, None)
    return importlib.import_module(name)


def quantize_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """The child process's side: annotate, quantize, write the result to `request["output"]`."""
    ranges = {int(index): (float(low), float(high)) for index, low, high in request["ranges"]}
    content = quantize(annotate(Path(request["model"]).read_bytes(), ranges))
    Path(request["output"]).write_bytes(content)
    return {}
