"""The float model, made to say by itself what range each of its tensors has.

REDUCE_MIN and REDUCE_MAX go in behind every operator as further outputs. XNNPACK runs them while
the tensor is still in the cache, no tensor has to be kept for later, and none is read after an
operator that works in place has overwritten it, which is how TensorFlow's calibrator gets too wide
ranges for the inputs of ADD (tensorflow#127842).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from coral_action.quantization.graph import Graph
from coral_action.tflite import schema

# Up to here reading the tensor itself is cheaper than two operators.
_SMALL = 64
# XNNPACK and litert's own kernels reduce up to four dimensions.
_MAX_RANK = 4
# Can't make NaN from finite numbers that stay finite; all others are summed too, as a sum hands NaN
# on where MIN and MAX drop it.
_NEVER_NAN = """
    ADD AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_TO CONCATENATION CONV_2D
    DEPTH_TO_SPACE DEPTHWISE_CONV_2D ELU EXPAND_DIMS FULLY_CONNECTED GATHER GATHER_ND GELU
    HARD_SWISH LEAKY_RELU LOGISTIC MAX_POOL_2D MAXIMUM MEAN MINIMUM MIRROR_PAD MUL NEG PACK PAD
    PADV2 PRELU REDUCE_MAX REDUCE_MIN RELU RELU6 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR
    RESIZE_NEAREST_NEIGHBOR REVERSE_V2 SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V
    SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM TANH TILE TRANSPOSE TRANSPOSE_CONV
    UNPACK
"""
_NEVER_NEGATIVE = frozenset({"LOGISTIC", "RELU", "RELU6", "SOFTMAX"})


@dataclass(frozen=True)
class Instrumented:
    """A model whose outputs tell the ranges of its tensors.

    For the tensor `watched[i]`, `low[i]` and `high[i]` are the output tensors to take the minimum
    and maximum of; a `low` of -1 says that the minimum is known to be at or above 0, which every
    quantized range includes anyway. A NaN or infinity in any of the tensors in `finite` says that
    the tensor it belongs to holds one.
    """

    content: bytes
    watched: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    finite: dict[int, int]  # tensor of the sum: tensor summed


def instrument(content: bytes) -> Instrumented:
    """Add the operators that watch every float activation of a static float model.

    Raises:
        ModelError: if the bytes are no TFLite flatbuffer.
    """
    graph = Graph(content)
    axes = _Axes(graph)
    never_nan = frozenset(_NEVER_NAN.split())
    watched: list[int] = []
    low: list[int] = []
    high: list[int] = []
    finite: dict[int, int] = {}
    operators: list[Any] = []

    def reduce(kind: str, tensor: int) -> int:
        axis = axes.of(tensor)
        result = graph.add_tensor(f"{kind.lower()}_of_{tensor}", ())
        operators.append(graph.make_operator(kind, [tensor, axis], [result], _options()))
        return result

    def watch(tensor: int, producer: Any | None) -> None:
        if not graph.is_float(tensor) or 0 in graph.shape(tensor):
            return
        watched.append(tensor)
        rank = len(graph.shape(tensor))
        if np.prod(graph.shape(tensor)) <= _SMALL or rank > _MAX_RANK:
            low.append(tensor)
            high.append(tensor)
            return
        low.append(-1 if _is_never_negative(graph, producer) else reduce("REDUCE_MIN", tensor))
        high.append(reduce("REDUCE_MAX", tensor))
        if producer is not None and graph.kind(producer) not in never_nan:
            finite[reduce("SUM", tensor)] = tensor

    for tensor in graph.inputs:
        watch(tensor, None)
    for operator in graph.operators:
        operators.append(operator)
        for tensor in operator.outputs:
            # What a custom operator makes stays in float: with a range it would get a QUANTIZE.
            if tensor >= 0 and graph.kind(operator) != "CUSTOM":
                watch(int(tensor), operator)
    graph.operators = operators
    wanted = [*graph.outputs, *low, *high, *finite]
    graph.outputs = [i for i in dict.fromkeys(wanted) if i >= 0 and i not in graph.inputs]
    graph.model.signatureDefs = []
    return Instrumented(graph.pack(), tuple(watched), tuple(low), tuple(high), finite)


def _is_never_negative(graph: Graph, producer: Any | None) -> bool:
    if producer is None:
        return False
    fused = getattr(producer.builtinOptions, "fusedActivationFunction", None)
    functions = schema().ActivationFunctionType
    return graph.kind(producer) in _NEVER_NEGATIVE or fused in (functions.RELU, functions.RELU6)


def _options() -> Any:
    options = schema().ReducerOptionsT()
    options.keepDims = False
    return options


class _Axes:
    """The constants that say "all axes", one for each rank."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._by_rank: dict[int, int] = {}

    def of(self, tensor: int) -> int:
        rank = len(self._graph.shape(tensor))
        if rank not in self._by_rank:
            axes = np.arange(rank, dtype=np.int32)
            self._by_rank[rank] = self._graph.add_constant(f"axes_{rank}", axes)
        return self._by_rank[rank]
