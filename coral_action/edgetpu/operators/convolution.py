"""Rules about convolutions, fully-connected layers and pooling."""

from __future__ import annotations

from collections.abc import Iterator

from coral_action.edgetpu.operators.rule import (
    ISSUES,
    SUPPORTED_OPERATORS,
    Effect,
    Problem,
    View,
    elements,
    rule,
    static_shape,
)


@rule("CQ111", "CONV_2D", "DEPTHWISE_CONV_2D", sources=(SUPPORTED_OPERATORS, f"{ISSUES}75"))
def dilation(view: View) -> Iterator[Problem]:
    """Dilation is the same in both directions; runtime 12 and older have none for depthwise."""
    height, width = view.option("dilationHFactor", 1), view.option("dilationWFactor", 1)
    if height != width:
        yield Problem(
            f"dilation is {height} by {width}", "use the same dilation in both directions"
        )
    old = view.name == "DEPTHWISE_CONV_2D" and view.target.min_runtime_version <= 12
    if old and (height, width) != (1, 1):
        yield Problem("dilation needs runtime 13", "raise edge_tpu.min_runtime_version to 13")


@rule("CQ112", "CONV_2D", effect=Effect.REFUSED, sources=(f"{ISSUES}891", f"{ISSUES}631"))
def grouped(view: View) -> Iterator[Problem]:
    """A convolution sees all channels of its input (no groups).

    The compiler's TensorFlow Lite stops at the shapes of a grouped convolution: "input->dims->data
    [3] != filter->dims->data[3]".
    """
    data, weights = view.input(0), view.input(1)
    if data is None or weights is None or len(data.shape) != 4 or len(weights.shape) != 4:
        return
    if data.shape[3] != weights.shape[3] and data.shape[3] > 0:
        yield Problem(
            f"grouped: {data.shape[3]} channels come in, the filter takes {weights.shape[3]}",
            "split it into plain convolutions, or make it depthwise",
        )


@rule("CQ113", "FULLY_CONNECTED", sources=(SUPPORTED_OPERATORS, f"{ISSUES}27", f"{ISSUES}663"))
def fully_connected(view: View) -> Iterator[Problem]:
    """Weights in the default format, and one row of output.

    All but the last dimension of the output must be 1: a layer on a sequence or a grid has several
    rows. A 1x1 convolution does the same on a grid and maps.
    """
    if view.option("weightsFormat", 0) != 0:
        yield Problem("its weights are in a shuffled format", "convert with the default format")
    for tensor in view.outputs:
        shape = static_shape(tensor)
        if any(size > 1 for size in shape[:-1]):
            yield Problem(
                f"its output has several rows ({'x'.join(map(str, shape))})",
                "use a 1x1 convolution on a grid, or one row at a time",
                tensor.name,
            )


_WIDEST_SEEN_ON_CPU = (14_400, 180)


@rule("CQ114", "FULLY_CONNECTED", effect=Effect.RISK, sources=(f"{ISSUES}663", f"{ISSUES}27"))
def wide_layer(view: View) -> Iterator[Problem]:
    """Very wide layers were seen left on the CPU (14,400 to 180; 100,000 classes).

    No limit is published, so this is a risk and not a verdict. libcoral's `split_fc` tool splits
    such a layer.
    """
    weights = view.input(1)
    if weights is None or len(weights.shape) != 2:
        return
    rows, columns = weights.shape
    inputs, outputs = _WIDEST_SEEN_ON_CPU
    if (columns >= inputs and rows >= outputs) or rows >= 100_000:
        yield Problem(
            f"a layer of {columns:,} to {rows:,} may stay on the CPU",
            "reduce its input by pooling, or split the layer",
        )


@rule("CQ115", "AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION")
def fused_activation(view: View) -> Iterator[Problem]:
    """Pooling and concatenation have no activation fused into them."""
    if view.option("fusedActivationFunction", 0) != 0:
        yield Problem("an activation is fused into it", "put the activation before it")


@rule("CQ116", "PRELU", since="13", sources=(SUPPORTED_OPERATORS, f"{ISSUES}597"))
def prelu_alpha(view: View) -> Iterator[Problem]:
    """PRELU has one alpha a channel.

    Only the innermost dimension of alpha may be larger than 1: in Keras, `shared_axes=[1, 2]`.
    """
    alpha = view.input(1)
    if alpha is not None and any(size > 1 for size in static_shape(alpha)[:-1]):
        text = "x".join(map(str, alpha.shape))
        yield Problem(f"alpha has shape {text}", "use PReLU(shared_axes=[1, 2])", alpha.name)


@rule(
    "CQ117", "TRANSPOSE_CONV", effect=Effect.RISK, sources=(f"{ISSUES}684", f"{ISSUES}686"),
    since="13",
)  # fmt: skip
def wide_transposed_convolution(view: View) -> Iterator[Problem]:
    """Transposed convolutions with many channels were seen left on the CPU (1024 to 512).

    Stride 2 with a 3x3 kernel is what was seen mapped. No limit is published.
    """
    weights = view.input(1)
    if weights is None or len(weights.shape) != 4:
        return
    if weights.shape[3] >= 1024 and weights.shape[0] >= 512:
        yield Problem(
            f"{weights.shape[3]} to {weights.shape[0]} channels may stay on the CPU",
            "use fewer channels, or RESIZE_NEAREST_NEIGHBOR and a convolution",
        )


_SOFTMAX_MOST = 16_000


@rule("CQ118", "SOFTMAX", sources=(SUPPORTED_OPERATORS, f"{ISSUES}27"))
def softmax(view: View) -> Iterator[Problem]:
    """SOFTMAX works on one row of at most 16,000 values."""
    tensor = view.input(0)
    if tensor is None:
        return
    if any(size > 1 for size in static_shape(tensor)[:-1]):
        text = "x".join(map(str, static_shape(tensor)))
        yield Problem(
            f"its input has several rows ({text})",
            "end the model before it (`outputs`), and apply softmax in your own code",
            tensor.name,
        )
    elif elements(tensor) > _SOFTMAX_MOST:
        yield Problem(
            f"its input has {elements(tensor):,} values, {_SOFTMAX_MOST:,} is the most",
            "end the model before it (`outputs`), and apply softmax in your own code",
            tensor.name,
        )
