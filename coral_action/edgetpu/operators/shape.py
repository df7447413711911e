"""Rules about reductions and operators that move data: slices, pads, packs, splits, resizes."""

from __future__ import annotations

from collections.abc import Iterator

from coral_action.edgetpu.operators.rule import (
    ISSUES,
    SUPPORTED_OPERATORS,
    Problem,
    View,
    rule,
    static_shape,
)

_REDUCTIONS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")


def _axes(view: View) -> list[int]:
    """The axes of a reduction, counted from 0; none where they are not constant."""
    data, numbers = view.input(0), view.numbers(1)
    if data is None or numbers is None:
        return []
    count = len(data.shape)
    return sorted({axis + count if axis < 0 else axis for axis in numbers})


@rule("CQ121", *_REDUCTIONS)
def reduction_over_batch(view: View) -> Iterator[Problem]:
    """A reduction leaves the batch alone.

    SUM needs runtime 13, REDUCE_MAX and REDUCE_MIN need 14.
    """
    if 0 in _axes(view):
        yield Problem("it reduces over the batch", "name the other axes only")


@rule("CQ122", "MEAN")
def mean_over_channels(view: View) -> Iterator[Problem]:
    """A MEAN over channels takes a multiple of 4 of them; before runtime 13, x and y only."""
    data = view.input(0)
    if data is None or len(data.shape) < 3 or len(data.shape) - 1 not in _axes(view):
        return
    if view.target.min_runtime_version <= 12:
        yield Problem("a mean over channels needs runtime 13", "raise edge_tpu.min_runtime_version")
    elif data.shape[-1] % 4:
        yield Problem(
            f"a mean over {data.shape[-1]} channels, which is no multiple of 4",
            "use a multiple of 4 channels",
        )


_LARGEST_MEAN = 256 * 128


@rule("CQ123", "MEAN", sources=(f"{ISSUES}461",))
def large_mean(view: View) -> Iterator[Problem]:
    """A MEAN over very many positions stays on the CPU.

    256 by 128 positions is the smallest that was seen left (compiler 16.0); taken in two steps it
    maps.
    """
    data = view.input(0)
    if data is None:
        return
    shape = static_shape(data)
    count = 1
    for axis in _axes(view):
        count *= shape[axis] if 0 <= axis < len(shape) else 1
    if count >= _LARGEST_MEAN:
        yield Problem(f"a mean over {count:,} positions", "take it in two steps, with a pool first")


@rule("CQ124", "PAD")
def pad(view: View) -> Iterator[Problem]:
    """PAD leaves the batch alone; before runtime 13, it pads x and y only."""
    data, numbers = view.input(0), view.numbers(1)
    if data is None or numbers is None or len(numbers) != 2 * len(data.shape):
        return
    padded = [i for i in range(len(data.shape)) if numbers[2 * i] or numbers[2 * i + 1]]
    if len(data.shape) == 4 and 0 in padded:
        yield Problem("it pads the batch", "pad height, width or channels only")
    if view.target.min_runtime_version <= 12 and len(data.shape) == 4 and 3 in padded:
        yield Problem("padding of channels needs runtime 13", "raise edge_tpu.min_runtime_version")


@rule("CQ125", "PACK", since="13", sources=(SUPPORTED_OPERATORS,))
def pack(view: View) -> Iterator[Problem]:
    """PACK does not pack along the batch of a 4-D tensor.

    Packing two-dimensional tensors into a three-dimensional one was seen mapped.
    """
    for tensor in view.outputs:
        axis = view.option("axis", 0)
        axis += len(tensor.shape) if axis < 0 else 0
        if axis == 0 and len(tensor.shape) >= 4 and len(view.inputs) > 1:
            yield Problem("it packs along the batch", "pack along another axis", tensor.name)


@rule("CQ126", "SPLIT", "SPLIT_V")
def split(view: View) -> Iterator[Problem]:
    """SPLIT does not split the batch, which is the first dimension.

    With a single output there is nothing to split, and it maps.
    """
    first = view.name == "SPLIT"
    data, numbers = view.input(1 if first else 0), view.numbers(0 if first else 2)
    if data is None or not numbers or len(view.outputs) < 2:
        return
    axis = numbers[0] + (len(data.shape) if numbers[0] < 0 else 0)
    if axis == 0:
        yield Problem("it splits along the batch", "split along another axis", data.name)


@rule("CQ127", "STRIDED_SLICE")
def strided_slice(view: View) -> Iterator[Problem]:
    """STRIDED_SLICE has strides of 1 and neither an ellipsis nor a new axis."""
    strides = view.numbers(3)
    if strides is not None and any(stride != 1 for stride in strides):
        yield Problem(f"its strides are {strides}", "use strides of 1, or a pool or convolution")
    if view.option("ellipsisMask", 0):
        yield Problem("it uses an ellipsis", "write every dimension out")
    if view.option("newAxisMask", 0):
        yield Problem("it adds an axis", "use a reshape for that")


@rule("CQ128", "CONCATENATION", sources=(SUPPORTED_OPERATORS, f"{ISSUES}309"))
def concatenation_of_constants(view: View) -> Iterator[Problem]:
    """A constant is concatenated to one tensor at most, and is all zero.

    That is padding with zeros; any other constant stays on the CPU. For a quantized tensor "zero"
    is the code of the zero point.
    """
    constants = [tensor for tensor in view.inputs if tensor.is_constant]
    if not constants:
        return
    if len(view.inputs) != 2:
        yield Problem(
            f"a constant and {len(view.inputs) - 1} other inputs",
            "add the constant outside of the model",
            constants[0].name,
        )
    for tensor in constants:
        zero = tensor.zero_points[0] if tensor.zero_points else 0
        if tensor.data is not None and (tensor.data != zero % 256).any():
            yield Problem(
                "a constant that is not all zero",
                "add the constant outside of the model",
                tensor.name,
            )


# x2 is mapped in many models; x15.5 and x33 were left. In between nothing is recorded.
_LARGEST_FACTOR = 4


@rule(
    "CQ129",
    "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR",
    sources=(SUPPORTED_OPERATORS, f"{ISSUES}396", f"{ISSUES}187", f"{ISSUES}420"),
)
def resize(view: View) -> Iterator[Problem]:
    """A resize does not enlarge very much.

    Coral's table says that some sizes are refused "to avoid loss in precision" and does not say
    which. Seen mapped: the same size and twice the size, half-pixel centers included. Seen left on
    the CPU: 15 times (33 to 513) and 33 times (1 to 33). The line is drawn at 4 times.
    """
    data = view.input(0)
    if data is None or not view.outputs:
        return
    before, after = static_shape(data), static_shape(view.outputs[0])
    if len(before) != 4 or len(after) != 4:
        return
    factor = max(after[i] / max(before[i], 1) for i in (1, 2))
    if factor > _LARGEST_FACTOR:
        yield Problem(
            f"it enlarges {before[1]}x{before[2]} to {after[1]}x{after[2]}",
            "enlarge in steps of 2, or end the model before it and resize in your own code",
            data.name,
        )


@rule("CQ130", "SQUEEZE")
def squeeze(view: View) -> Iterator[Problem]:
    """Before runtime 13, SQUEEZE maps only where no data have to be moved.

    Removing leading dimensions of size 1 moves nothing.
    """
    data = view.input(0)
    if data is None or not view.outputs or view.target.min_runtime_version > 12:
        return
    before = [size for size in static_shape(data) if size > 1]
    if len(before) > 1 and static_shape(view.outputs[0])[-1] != static_shape(data)[-1]:
        yield Problem("it moves data, which needs runtime 13", "raise edge_tpu.min_runtime_version")
