"""The float model, made to say by itself what range each of its tensors has.

REDUCE_MIN and REDUCE_MAX go in behind every operator, and their results into one more output, as
reading an output costs as much as reducing a small tensor. XNNPACK runs them while
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
# The output holds the values of the input, PAD's zeros besides: nothing new to reduce.
_SAME_VALUES = frozenset(
    ["DEPTH_TO_SPACE", "EXPAND_DIMS", "PAD", "RESHAPE", "SPACE_TO_DEPTH", "SQUEEZE", "TRANSPOSE"]
)
_NEVER_NEGATIVE = frozenset({"LOGISTIC", "RELU", "RELU6", "SOFTMAX"})


@dataclass(frozen=True)
class Instrumented:
    """A model that tells the ranges of its tensors in one further output.

    For the tensor `watched[i]`, `low[i]` and `high[i]` are the places of its minimum and maximum in
    the tensor `extremes`, a vector of float32; a `low` of -1 says that the minimum is known to be
    at or above 0, which every quantized range includes anyway. A NaN or infinity at one of the
    places in `finite` says that the tensor it belongs to holds one. The tensors `watched[i]` for i
    in `padded` hold a 0 besides.
    """

    content: bytes
    extremes: int
    watched: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    finite: dict[int, int]  # place: tensor summed
    padded: tuple[int, ...]


def instrument(content: bytes) -> Instrumented:
    """Add the operators that watch every float activation of a static float model.

    Raises:
        ModelError: if the bytes are no TFLite flatbuffer.
    """
    graph = Graph(content)
    reductions = _Reductions(graph)
    never_nan = frozenset(_NEVER_NAN.split())
    watched: list[int] = []
    low: list[int] = []
    high: list[int] = []
    finite: dict[int, int] = {}
    padded: list[int] = []

    def watch(tensor: int, producer: Any | None) -> None:
        if not graph.is_float(tensor) or 0 in graph.shape(tensor):
            return
        row = None if producer is None else _row_of_same_values(graph, producer, watched)
        watched.append(tensor)
        if producer is not None and row is not None:
            low.append(low[row])
            high.append(high[row])
            if graph.kind(producer) == "PAD" or row in padded:
                padded.append(len(watched) - 1)
            return
        never_negative = _is_never_negative(graph, producer)
        low.append(-1 if never_negative else reductions.add("REDUCE_MIN", tensor))
        high.append(reductions.add("REDUCE_MAX", tensor))
        if producer is not None and graph.kind(producer) not in never_nan:
            finite[reductions.add("SUM", tensor)] = tensor

    for tensor in graph.inputs:
        watch(tensor, None)
    for operator in graph.operators:
        reductions.operators.append(operator)
        for tensor in operator.outputs:
            # What a custom operator makes stays in float: with a range it would get a QUANTIZE.
            if tensor >= 0 and graph.kind(operator) != "CUSTOM":
                watch(int(tensor), operator)
    extremes = reductions.gather()
    graph.operators = reductions.operators
    graph.outputs = [*dict.fromkeys(i for i in graph.outputs if i not in graph.inputs), extremes]
    graph.model.signatureDefs = []
    return Instrumented(
        graph.pack(), extremes, tuple(watched), tuple(low), tuple(high), finite, tuple(padded)
    )


def _row_of_same_values(graph: Graph, producer: Any, watched: list[int]) -> int | None:
    """The place in `watched` of a tensor that has the values of an operator's output."""
    if graph.kind(producer) not in _SAME_VALUES or producer.inputs[0] not in watched:
        return None
    return watched.index(producer.inputs[0])


def _is_never_negative(graph: Graph, producer: Any | None) -> bool:
    if producer is None:
        return False
    fused = getattr(producer.builtinOptions, "fusedActivationFunction", None)
    functions = schema().ActivationFunctionType
    return graph.kind(producer) in _NEVER_NEGATIVE or fused in (functions.RELU, functions.RELU6)


class _Reductions:
    """Operators that reduce whole tensors to scalars, and in the end gather these in a vector."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._axes: dict[int, int] = {}  # the constant that says "all axes", for each rank
        self._scalars: list[int] = []
        self.operators: list[Any] = []

    def add(self, kind: str, tensor: int) -> int:
        """Reduce a tensor; the place of the result in the vector."""
        self._scalars.append(self._reduced(kind, tensor) if self._graph.shape(tensor) else tensor)
        return len(self._scalars) - 1

    def gather(self) -> int:
        """The vector of all results."""
        options = schema().PackOptionsT()
        options.valuesCount = len(self._scalars)
        result = self._graph.add_tensor("extremes", (len(self._scalars),))
        self.operators.append(self._graph.make_operator("PACK", self._scalars, [result], options))
        return result

    def _reduced(self, kind: str, tensor: int) -> int:
        graph = self._graph
        options = schema().ReducerOptionsT()
        options.keepDims = False
        flat = self._of_few_axes(tensor)
        scalar = graph.add_tensor(f"{kind.lower()}_of_{tensor}", ())
        inputs = [flat, self._all_axes(len(graph.shape(flat)))]
        self.operators.append(graph.make_operator(kind, inputs, [scalar], options))
        return scalar

    def _of_few_axes(self, tensor: int) -> int:
        shape = self._graph.shape(tensor)
        if len(shape) <= _MAX_RANK:
            return tensor
        size = np.array([np.prod(shape)], dtype=np.int32)
        flat = self._graph.add_tensor(f"flat_{tensor}", size.tolist())
        wanted = self._graph.add_constant(f"size_{tensor}", size)
        self.operators.append(self._graph.make_operator("RESHAPE", [tensor, wanted], [flat]))
        return flat

    def _all_axes(self, rank: int) -> int:
        if rank not in self._axes:
            axes = np.arange(rank, dtype=np.int32)
            self._axes[rank] = self._graph.add_constant(f"axes_{rank}", axes)
        return self._axes[rank]
