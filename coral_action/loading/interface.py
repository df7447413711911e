"""What a loader is asked for and what it answers: a model's interface, still open or static."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from coral_action.errors import ModelError
from coral_action.findings import Finding
from coral_action.loading.float_model import TensorSpec

MAX_LISTED = 8

Shape = tuple[int, ...]
OpenShape = Sequence[int | None] | None
Constant = bool | int | float | list[float]

# What TFLite's kernels and the data sources can feed; anything else has to be cut off.
_INPUT_DTYPES = frozenset({"float32", "uint8", "int8", "int16", "int32", "int64", "bool"})


@dataclass(frozen=True)
class LoadRequest:
    """What coral.yml says of a model's interface, and what the command line allows.

    `inputs` names the inputs (shape None: as in the file); `input_shapes` gives sizes without
    choosing inputs; `constants` fixes inputs to a value.
    """

    source: str
    format: str
    signature: str | None = None
    inputs: dict[str, Shape | None] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    input_shapes: dict[str, Shape] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    allow_custom_code: bool = False

    def shape(self, name: str) -> Shape | None:
        """The shape that coral.yml gives an input; frozen graphs also know it as `name:0`."""
        for key in (name, f"{name}:0"):
            if (shape := self.inputs.get(key) or self.input_shapes.get(key)) is not None:
                return shape
        return None


@dataclass(frozen=True)
class OpenInput:
    """An input as the file has it: open dimensions are None, an unknown rank is None as a whole."""

    name: str
    shape: OpenShape
    dtype: str


@dataclass(frozen=True)
class Traceable:
    """A model as a function of tensors, in the order of `inputs`, returning those of `outputs`."""

    function: Callable[..., Sequence[Any]]
    inputs: tuple[OpenInput, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Loaded:
    """The flatbuffer of a model.

    `conversion_checked`: what it computes was held against the original, where there is one.
    """

    content: bytes
    already_quantized: bool = False
    conversion_checked: bool = True
    findings: tuple[Finding, ...] = ()


def static_input(item: OpenInput, request: LoadRequest) -> TensorSpec:
    """An input with the batch of 1 that the Edge TPU needs, all other dimensions known.

    Raises:
        ModelError: if dimensions stay open, coral.yml contradicts the file, or nothing can feed
            the dtype.
    """
    if item.dtype not in _INPUT_DTYPES:
        what = "text or encoded data" if item.dtype == "string" else item.dtype
        raise ModelError(
            f"input {item.name} takes {what}, which no Edge TPU model can",
            hint="cut the model behind its preprocessing: `inputs: {inner_name: [1, ...]}`",
        )
    wanted = request.shape(item.name)
    if item.shape is not None and len(item.shape) == 0 and wanted is None:
        raise ModelError(
            f"input {item.name} is a single number, not a sample",
            hint=f"fix its value in coral.yml, such as `constants: {{{item.name}: "
            f"{'false' if item.dtype == 'bool' else '1.0'}}}`",
        )
    return TensorSpec(item.name, static_shape(item.name, item.shape, wanted), item.dtype)


def static_shape(name: str, known: OpenShape, wanted: Shape | None) -> Shape:
    """The shape of an input with a batch of 1.

    Args:
        name: the input, for errors.
        known: what the file says; None for an open dimension, or as a whole.
        wanted: what coral.yml says.

    Raises:
        ModelError: if dimensions stay open, or the two contradict each other.
    """
    if wanted is not None:
        fits = known is None or (
            len(known) == len(wanted)
            and all(k in (None, w) for k, w in zip(known, wanted, strict=True))
        )
        if not fits:
            raise ModelError(
                f"input {name} has shape {show_shape(known)} in the file, {list(wanted)} in "
                "coral.yml",
                hint=f"correct `inputs: {{{name}: [...]}}`; the batch dimension counts, and is 1",
            )
        if wanted[0] != 1:
            raise ModelError(
                f"input {name}: batch size {wanted[0]}",
                hint="the Edge TPU runs one sample at a time: the first dimension must be 1",
            )
        return wanted
    if known is not None and len(known) > 0 and known[0] in (None, 1):
        rest = known[1:]
        if all(dimension is not None for dimension in rest):
            return (1, *(int(dimension) for dimension in rest if dimension is not None))
    elif known is not None and len(known) > 0 and None not in known:
        raise ModelError(
            f"input {name} has a fixed batch size of {known[0]}: {show_shape(known)}",
            hint="the Edge TPU runs one sample at a time: export the model with batch size 1",
            topic="batch-size",
        )
    raise ModelError(
        f"input {name} has shape {show_shape(known)}: its size is not in the file",
        hint=f"say it in coral.yml, such as `inputs: {{{name}: {_example(known)}}}`",
        topic="open-shape",
    )


def show_shape(shape: OpenShape) -> str:
    """A shape for messages: `[?, 28, 28, 1]`."""
    if shape is None:
        return "unknown"
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def _example(known: OpenShape) -> str:
    """A shape that would do, with 224 where the file says nothing."""
    if known is None:
        return "[1, 224, 224, 3]"
    return str([1, *(224 if size is None else size for size in known[1:])])


def listed(names: Sequence[str], limit: int = MAX_LISTED) -> str:
    """Names for a message: the first few, and how many more there are."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")


def check_names(kind: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    """Refuse names of inputs or outputs that a model does not have, listing those it has.

    Raises:
        ModelError: for the first such name.
    """
    for name in wanted:
        if name not in known:
            raise ModelError(
                f"the model has no {kind} named {name}",
                hint=f"it has: {listed(known) or 'none'}",
                topic="name-not-in-the-model",
            )


def check_constants(request: LoadRequest, known: Sequence[str]) -> None:
    """Refuse constants that name nothing, or name what is an input as well.

    Raises:
        ModelError: for the first such constant.
    """
    check_names("input", list(request.constants), known)
    for name in request.constants:
        if name in request.inputs:
            raise ModelError(f"{name} is named both under `inputs` and under `constants`")
