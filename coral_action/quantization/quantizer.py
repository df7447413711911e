"""The quantizer: TensorFlow's MLIR quantizer, run on a float flatbuffer that carries our ranges.

The ranges go into each tensor's quantization min and max, where the quantizer looks for the result
of a calibration: any calibrator can feed it, and unedited ranges give TensorFlow's own result.
"""

from __future__ import annotations

from coral_action.converter_api import converter_api
from coral_action.errors import QuantizationError
from coral_action.quantization.calibrators import Ranges
from coral_action.tflite import pack, schema, unpack

# tensorflow/compiler/mlir/lite/types.proto: QUANTIZED_INT8, which the quantizer takes as a number.
_INT8 = 9


def annotate(content: bytes, ranges: Ranges) -> bytes:
    """The float flatbuffer with the given [min, max] on each tensor, by tensor index."""
    model = unpack(content)
    for index, (low, high) in ranges.items():
        quantization = schema().QuantizationParametersT()
        quantization.min = [low]
        quantization.max = [high]
        model.subgraphs[0].tensors[index].quantization = quantization
    return pack(model)


def quantize(content: bytes, *, light: bool = True) -> bytes:
    """Full-integer int8 from an annotated float flatbuffer.

    Convolutions are quantized per channel and fully-connected layers per tensor, as the Edge TPU
    needs it.

    Args:
        content: the float flatbuffer, with a range on each activation.
        light: import the quantizer without TensorFlow around it.

    Raises:
        QuantizationError: if TensorFlow refuses the model.
    """
    api = converter_api(light=light)
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
