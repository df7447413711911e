"""Options of edgetpu_compiler from coral.yml, as far as the compiler's version has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from coral_action.edgetpu.operators import NEWEST_RUNTIME, Target

if TYPE_CHECKING:
    from coral_action.config.edge_tpu_schema import EdgeTpuConfig

_FIRST_WITH_TIMER = 16  # -t, -d and -k came with 16.0
_FIRST_WITH_SUBGRAPHS = 15
_FIRST_WITH_SEGMENTS = (2, 1)  # and with intermediate tensors
_UNKNOWN_MINOR = 9_999


def major_version(version: str) -> int:
    """16 from `16.0.384591198`; a version that can't be read counts as the newest."""
    number = version.partition(".")[0]
    known = number.isascii() and number.isdigit() and len(number) < 5
    return int(number) if known else _FIRST_WITH_TIMER


def _release(version: str) -> tuple[int, int]:
    """(2, 1) from `2.1.302470888`; what can't be read counts as the newest."""
    minor = version.partition(".")[2].partition(".")[0]
    known = minor.isascii() and minor.isdigit() and len(minor) < 5
    return major_version(version), int(minor) if known else _UNKNOWN_MINOR


def arguments(config: EdgeTpuConfig, version: str, models: int = 1) -> list[str]:
    """Command-line options, without the output folder and the models."""
    major = major_version(version)
    chosen = ["-s"]
    if config.min_runtime_version is not None:
        chosen += ["-m", str(config.min_runtime_version)]
    if config.segments is not None:
        chosen += ["-n", str(config.segments)]
    if config.intermediate_tensors:
        # One list for each model, separated by colons; only the first model has one.
        lists = [",".join(config.intermediate_tensors), *[""] * (models - 1)]
        chosen += ["-i", ":".join(lists)]
    if config.multiple_subgraphs:
        chosen += ["-a"]
    if major >= _FIRST_WITH_TIMER:
        chosen += ["-t", str(config.timeout)]
        if config.search_delegate:
            chosen += ["-d", "-k", str(config.delegate_search_step)]
    return chosen


def target_of(config: EdgeTpuConfig) -> Target:
    """What the options mean for a prediction."""
    return Target(
        config.min_runtime_version or NEWEST_RUNTIME,
        config.multiple_subgraphs,
        tuple(config.intermediate_tensors),
    )


def missing_options(config: EdgeTpuConfig, version: str) -> Sequence[str]:
    """Keys of coral.yml that this version of the compiler can't do."""
    major = major_version(version)
    missing = []
    if _release(version) < _FIRST_WITH_SEGMENTS:
        missing += ["segments"] if config.segments is not None else []
        missing += ["intermediate_tensors"] if config.intermediate_tensors else []
    if config.search_delegate and major < _FIRST_WITH_TIMER:
        missing.append("search_delegate")
    if config.multiple_subgraphs and major < _FIRST_WITH_SUBGRAPHS:
        missing.append("multiple_subgraphs")
    return missing
