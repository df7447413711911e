"""MAX_POOL_2D behind a PADV2 with the lowest float, as ONNX's padded MaxPool becomes, without it.

No int8 range holds -3.4e38 beside activations, and the Edge TPU has no PADV2. A maximum never takes
such padding, so three things are equal, the first that applies being taken:
- SAME, which pads with nothing: where its windows begin at the same pixels (along an axis
  of `size` pixels it pads max((ceil(size / stride) - 1) stride + filter - size, 0) // 2 in front);
- PAD with zeros, where what is padded is never negative: ResNet's, behind a ReLU;
- SAME with stride 1, which pads (filter - 1) // 2 in front at any size, and then a MAX_POOL_2D of
  one pixel that takes every stride-th result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coral_action.quantization.graph import Graph
from coral_action.tflite import schema

# Padding at or below this is taken for "nothing": no activation that int8 can hold is so low.
_LOWEST = -1e9
_NEVER_NEGATIVE = frozenset({"RELU", "RELU6", "RELU_0_TO_1", "LOGISTIC", "SOFTMAX", "ABS"})
_KEEPS_SIGN = frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D", "RESHAPE", "TRANSPOSE"})


@dataclass(frozen=True)
class _Axis:
    """One axis of a pool, all in pixels: `before` are the padding ones in front."""

    size: int
    before: int
    filter: int
    stride: int
    windows: int

    def is_same(self, stride: int) -> bool:
        """Whether the windows are those of SAME with this stride, or some of them if it is 1."""
        steps = -(-self.size // stride)
        around = max((steps - 1) * stride + self.filter - self.size, 0)
        return self.before == around // 2 and self.windows == -(-self.size // self.stride)

    @property
    def sees_a_pixel(self) -> bool:
        """Whether no window lies in the padding as a whole."""
        last = (self.windows - 1) * self.stride - self.before
        return self.before < self.filter and last < self.size


def pool_without_padding(graph: Graph) -> list[str]:
    """Take the padding away from every max pool that needs none, or make it zeros."""
    changes = []
    for pool in list(graph.operators):
        pad = _padding(graph, pool)
        if pad is None or (new := _unpadded(graph, pad, pool)) is None:
            continue
        graph.replace(pool, new)
        how = " and ".join(graph.kind(operator) for operator in new)
        changes.append(
            f"MAX_POOL_2D of pixels padded with the lowest float as {how} (exact): "
            f"{graph.name(int(pool.outputs[0]))}"
        )
        if not graph.consumers(int(pad.outputs[0])) and int(pad.outputs[0]) not in graph.outputs:
            graph.replace(pad, [])
    return changes


def _padding(graph: Graph, pool: Any) -> Any | None:
    """The PADV2 in front of a pool, if it pads height and width of static images with nothing."""
    if graph.kind(pool) != "MAX_POOL_2D" or pool.builtinOptions.padding != schema().Padding.VALID:
        return None
    padded = int(pool.inputs[0])
    pad = graph.producer(padded)
    if pad is None or graph.kind(pad) != "PADV2" or not graph.is_float(padded):
        return None
    amounts, value = (graph.array(int(index)) for index in pad.inputs[1:3])
    ends = (int(pad.inputs[0]), int(pool.outputs[0]))
    if amounts is None or value is None or not all(map(graph.is_static, ends)):
        return None
    flat = amounts.shape == (4, 2) and not amounts[[0, 3]].any()
    return pad if flat and value <= _LOWEST else None


def _unpadded(graph: Graph, pad: Any, pool: Any) -> list[Any] | None:
    """The operators that are equal to both; None where there are none."""
    source, output = int(pad.inputs[0]), int(pool.outputs[0])
    options = pool.builtinOptions
    sizes = zip(
        graph.shape(source)[1:3],
        graph.constant(int(pad.inputs[1]))[1:3, 0].tolist(),
        (options.filterHeight, options.filterWidth),
        (options.strideH, options.strideW),
        graph.shape(output)[1:3],
        strict=True,
    )
    axes = [_Axis(*numbers) for numbers in sizes]
    name, same = graph.name(output), schema().Padding.SAME
    if all(axis.is_same(axis.stride) for axis in axes):
        return [_pool(graph, source, output, pool, padding=same)]
    if _never_negative(graph, source) and all(axis.sees_a_pixel for axis in axes):
        zeros = graph.add_tensor(f"{name}/with_zeros", graph.shape(int(pad.outputs[0])))
        ends = [source, int(pad.inputs[1])], [zeros]
        return [
            graph.make_operator("PAD", *ends, schema().PadOptionsT()),
            _pool(graph, zeros, output, pool),
        ]
    if not all(axis.is_same(1) for axis in axes):
        return None
    batch, *_, channels = graph.shape(source)
    every = graph.add_tensor(f"{name}/every_window", [batch, *(a.size for a in axes), channels])
    return [
        _pool(graph, source, every, pool, padding=same, strideH=1, strideW=1),
        _pool(graph, every, output, pool, filterHeight=1, filterWidth=1),
    ]


def _pool(graph: Graph, source: int, output: int, like: Any, **changed: int) -> Any:
    """A MAX_POOL_2D as another one is, but for some options."""
    options = schema().Pool2DOptionsT()
    for name, value in {**vars(like.builtinOptions), **changed}.items():
        setattr(options, name, value)
    return graph.make_operator("MAX_POOL_2D", [source], [output], options)


def _never_negative(graph: Graph, tensor: int) -> bool:
    """Whether the operators that make a tensor say that it holds no negative values."""
    while (operator := graph.producer(tensor)) is not None:
        functions = schema().ActivationFunctionType
        fused = getattr(operator.builtinOptions, "fusedActivationFunction", functions.NONE)
        if fused in (functions.RELU, functions.RELU6) or graph.kind(operator) in _NEVER_NEGATIVE:
            return True
        if graph.kind(operator) not in _KEEPS_SIGN:
            return False
        tensor = int(operator.inputs[0])
    return False
