"""Ways in which edgetpu_compiler fails, what is known of their causes, and what helped others.

In own words, from issues of google-coral/edgetpu (the numbers) and from recorded logs.
"""

from __future__ import annotations

from dataclasses import dataclass

from coral_action.edgetpu.log import CompilerLog
from coral_action.edgetpu.outcome import failure

_ISSUES = "https://github.com/google-coral/edgetpu/issues/"


@dataclass(frozen=True)
class Failure:
    """One known way to fail. `random`: repeating was seen to help with compilers before 16.0."""

    outcome: str
    message: str
    causes: str
    fix: str
    issues: tuple[int, ...] = ()
    random: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """Where it was reported."""
        return tuple(f"{_ISSUES}{number}" for number in self.issues)


FAILURES = (
    Failure(
        "failed:internal_compiler_error",
        "internal compiler error",
        "too large an activation, an operator variant that this compiler can't do, float QUANTIZE "
        "left by quantization-aware training, or chance",
        "use compiler 16.0, a smaller input, or set `edge_tpu.intermediate_tensors` or "
        "`search_delegate`",
        (157, 176, 309, 378, 173, 211, 283, 337, 381, 356),
        random=True,
    ),
    Failure(
        "failed:silent",
        "its child process died without a reason",
        "seen with LSTM models, several outputs and very small graphs",
        "set `edge_tpu.search_delegate: true`, or cut `outputs`",
        (800, 903, 707),
    ),
    Failure(
        "failed:out_of_range",
        "it crashed (std::out_of_range)",
        "not known; some graphs trigger it",
        "set `edge_tpu.search_delegate: true`",
        (4, 728),
    ),
    Failure(
        "failed:large_activation",
        "an activation is too large for the Edge TPU's memory",
        "input and feature maps are too large; a slightly larger or smaller input may pass",
        "use another input size, `edge_tpu.search_delegate: true`, `segments`, or cut the tail "
        "with `intermediate_tensors`",
        (439, 449, 444, 512, 608, 653),
    ),
    Failure(
        "failed:internal_error",
        "internal error",
        "not known",
        "set `edge_tpu.search_delegate: true`",
        (778,),
    ),
    Failure(
        "failed:timeout",
        "it ran out of time",
        "large activations take it long",
        "raise `edge_tpu.timeout`, or use a smaller input",
        (686, 270),
    ),
    Failure(
        "failed:dynamic_tensors",
        "the model has dynamic sizes",
        "a batch or image size was left open when the model was exported",
        "name the inputs with fixed shapes under `inputs` in coral.yml",
        (829,),
    ),
    Failure(
        "failed:custom_op",
        "the model has a custom operator that the compiler does not know",
        "a Flex or custom operator",
        "end the model before it (`outputs`)",
    ),
    Failure(
        "op_version_unknown",
        "an operator is newer than the compiler",
        "compiler 16.0 knows the operators of TensorFlow 2.5",
        "`coral-quantize check` names it: avoid the feature that needs the new version",
        (631, 879, 845, 340, 147),
    ),
    Failure(
        "not_quantized",
        "the model is not quantized",
        "float weights, dynamic-range or hybrid quantization",
        "quantize the whole model to int8 with this tool",
        (79, 168, 213, 313, 412),
    ),
    Failure(
        "not_parsed",
        "it can't read the model",
        "not a usable .tflite file",
        "export the model again",
    ),
    Failure(
        "segfault",
        "it crashed (segmentation fault)",
        "seen when fully-connected models are cut into segments",
        "compile without `edge_tpu.segments`",
        (669,),
    ),
    Failure(
        "bad_arguments",
        "it did not accept `intermediate_tensors`",
        "a ':' in a tensor name is taken for the separator between models",
        "rename the tensor, or choose another one",
        (778,),
    ),
)
NOTHING_SAID = Failure(
    "other",
    "it left no compiled file and gave no reason that is known",
    "a crash, seen with 15.0 and segments",
    "use compiler 16.0, or `edge_tpu.search_delegate: true`",
    (411, 557, 671),
)
_KERNEL = Failure(
    "other",
    "a kernel of its TensorFlow Lite refuses the shapes",
    "a grouped convolution, or a concatenation after odd pooling",
    "avoid groups; change the padding",
    (891,),
)
# What the compiler does not say itself: seen by the clock and by the files it left.
TIMED_OUT = Failure(
    "failed:timeout",
    "it did not end in time and was stopped",
    "large activations take it long; versions before 16.0 have no timer",
    "raise `edge_tpu.timeout`, or use a smaller input",
    (270,),
)
ZERO_MAPPED = Failure(
    "zero_mapped",
    "it succeeded but mapped no operator to the Edge TPU",
    "the first operators are not supported, the model is not int8, the batch is above 1, or "
    "min_runtime_version is too low for int8",
    "`coral-quantize check` says what keeps each operator on the CPU",
    (225, 358, 708),
)
UNREADABLE = Failure(
    "unreadable",
    "it left a file that can't be read",
    "a crash while writing, or a full disk",
    "compile again; look at its output",
)
_BY_OUTCOME = {known.outcome: known for known in FAILURES}


def known_failure(word: str) -> Failure:
    """The entry for an outcome (outcome.py)."""
    return _BY_OUTCOME.get(word, NOTHING_SAID)


def explain(log: CompilerLog) -> Failure:
    """The known failure that a log shows."""
    name = failure(log)
    if name in _BY_OUTCOME:
        return _BY_OUTCOME[name]
    kernel = any("dims->data" in message for message in log.messages)
    return _KERNEL if kernel else NOTHING_SAID
