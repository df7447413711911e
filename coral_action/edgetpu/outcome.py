"""How a run of the compiler ended, in one word, from what it said."""

from __future__ import annotations

import re

from coral_action.edgetpu.log import MAPPED, CompilerLog

# The first that fits is the cause: later lines of the same run only follow from it.
_REASONS = (
    ("bad_arguments", re.compile(r"number of lists given to intermediate_tensors")),
    ("op_version_unknown", re.compile(r"Didn't find op for builtin opcode")),
    ("failed:custom_op", re.compile(r"unresolved custom op")),
    ("failed:dynamic_tensors", re.compile(r"dynamic-sized tensors")),
    ("not_quantized", re.compile(r"Model not quantized")),
    ("not_parsed", re.compile(r"Model could not be parsed|Did not get operators")),
    ("failed:out_of_range", re.compile(r"std::out_of_range")),
    ("failed:large_activation", re.compile(r"due to large activation tensors")),
    ("failed:internal_error", re.compile(r"Compilation failed: Internal error")),
    ("failed:timeout", re.compile(r"Compilation timeout\.")),
    ("failed:internal_compiler_error", re.compile(r"Internal compiler error")),
    ("segfault", re.compile(r"Segmentation fault")),
)
_FAILED = re.compile(r"^Compilation failed")
SILENT = "failed:silent"
NOTHING_SAID = "other"


def failure(log: CompilerLog) -> str | None:
    """Why it failed, or None where it did not say that it failed."""
    for name, pattern in _REASONS:
        if any(pattern.search(message) for message in log.messages):
            return name
    return SILENT if any(_FAILED.match(message) for message in log.messages) else None


def outcome(log: CompilerLog) -> str:
    """`full`, `partial`, `zero_mapped`, each with what is special; or a failure; or `other`.

    `search_or_segment_mixed:REASON` where parts succeeded and parts failed (segments, delegate
    search).
    """
    why = failure(log)
    if why is not None:
        succeeded = log.milliseconds is not None or any(
            message.startswith("Compilation succeeded") for message in log.messages
        )
        return f"search_or_segment_mixed:{why.removeprefix('failed:')}" if succeeded else why
    if not log.models:
        return NOTHING_SAID
    if any(model.edge_tpu == 0 or model.subgraphs == 0 for model in log.models):
        return "zero_mapped"
    unmapped = any(row.status != MAPPED for model in log.models for row in model.rows)
    cpu = unmapped or any(model.cpu for model in log.models)
    words = ["partial" if cpu or log.partly_mapped else "full"]
    if log.together:
        words.append("cocompiled")
    if any((model.subgraphs or 0) > 1 for model in log.models):
        words.append("multi_subgraph")
    if any(model.off_chip is not None and model.off_chip.bytes for model in log.models):
        words.append("streaming")
    return "+".join(words)
