"""What the command line or the action asks for, beside coral.yml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coral_action.cache import DEFAULT_LIMIT_BYTES
from coral_action.config.paths import PathRules
from coral_action.evaluation import Shard


@dataclass(frozen=True)
class RunOptions:
    """What the command line or the action asks for, beside coral.yml."""

    output: Path
    paths: PathRules
    models: tuple[str, ...] = ()  # empty: all
    skip: frozenset[str] = frozenset()  # of these, those that are not to be done again
    compiler: Path | None = None  # None: predict the placement instead
    jobs: int | None = 1  # models at once; None: as many as cores and memory allow
    allow_custom_code: bool = False
    shard: Shard | None = None  # evaluate a part of the samples only
    quantized: Path | None = None  # folder of an earlier run, whose int8 models are taken
    config_file: Path | None = None  # for the report: lines of coral.yml, and how to repeat the run
    cache: Path | None = None  # folder for results of earlier runs; None: all is made anew
    cache_limit_bytes: int = DEFAULT_LIMIT_BYTES
