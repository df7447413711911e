"""One shard of an evaluation: every n-th sample, measured by one job, scored with the others later.

A shard keeps what was measured of each sample and not figures made of it, so that joining shards is
no arithmetic at all: the same rows in the same order go through the same functions as in one run.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from coral_action.config.evaluation_schema import EvaluationOptions
from coral_action.config.limits_schema import LimitsConfig
from coral_action.data import SampleStatistics
from coral_action.errors import DataError, UsageError
from coral_action.evaluation.columns import Columns
from coral_action.evaluation.gather import Gathered
from coral_action.loading import FloatModel

if TYPE_CHECKING:
    from coral_action.config.schema import ModelConfig

MAX_SHARDS = 256  # jobs of one matrix, by GitHub's limit

_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, order=True)
class Shard:
    """Shard `index` of `count`, from 1: samples index - 1, index - 1 + count, and so on.

    Shard 0 has no samples: it is the model made once, for the other shards to take.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `2/4`.

        Raises:
            UsageError: if it is none.
        """
        match = re.fullmatch(r"([0-9]{1,3})/([0-9]{1,3})", text)
        shard = cls(int(match[1]), int(match[2])) if match else None
        if shard is None or not 0 <= shard.index <= shard.count or not shard.count:
            raise UsageError(f"shard {text!r} is none", hint="the second of four is 2/4")
        if shard.count > MAX_SHARDS:
            raise UsageError(f"shard {text}: at most {MAX_SHARDS} shards")
        return shard

    @property
    def makes_model(self) -> bool:
        """Whether this shard's model is the one that is compiled and kept."""
        return self.index <= 1

    def file_name(self, model: str) -> str:
        """What the file of this shard is called."""
        return f"{model}.shard-{self.index}-of-{self.count}.npz"

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


@dataclass(frozen=True)
class Scoring:
    """What has to be known, beside what was measured, to make a result of it."""

    options: EvaluationOptions
    limits: LimitsConfig
    outputs: tuple[str, ...]  # names of the model's outputs

    @classmethod
    def of(cls, config: ModelConfig, model: FloatModel) -> Self:
        """From the model's part of coral.yml, which has an evaluation."""
        if config.evaluation is None:
            raise ValueError("the model has no evaluation data")
        return cls(config.evaluation, config.limits, tuple(spec.name for spec in model.outputs))

    def to_json(self) -> dict[str, Any]:
        """Plain data; of the evaluation, only how it is scored."""
        fields = set(EvaluationOptions.model_fields)
        return {
            "options": self.options.model_dump(mode="json", include=fields),
            "limits": self.limits.model_dump(mode="json"),
            "outputs": list(self.outputs),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(
            EvaluationOptions.model_validate(data["options"]),
            LimitsConfig.model_validate(data["limits"]),
            tuple(str(name) for name in data["outputs"]),
        )


@dataclass(frozen=True)
class ShardFile:
    """What one job hands on, beside its report: an .npz of numbers, names and JSON.

    `calibration` is what was fed to the calibration, to hold the evaluation data against; None in
    shards that took a model which was made before. Shard 0 has no `gathered`.
    """

    scoring: Scoring
    gathered: Gathered | None
    calibration: SampleStatistics | None

    def write(self, path: Path) -> None:
        """Write the file."""
        found = self.gathered
        facts = {
            "scoring": self.scoring.to_json(),
            "gathered": found and found.facts(),
            "calibration": self.calibration and self.calibration.to_json(),
        }
        arrays = found.columns.arrays() if found and found.metrics else {}
        text = np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, facts=text, **arrays)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The inverse of `write`; of a file that may come from anybody: call it in a child process.

        Raises:
            DataError: if it is no such file.
        """
        try:
            with np.load(path, allow_pickle=False) as held:
                facts = json.loads(held["facts"].tobytes())
                arrays = {name: held[name] for name in held.files if name != "facts"}
            gathered = facts["gathered"]
            columns = Columns.from_arrays(arrays) if arrays else Columns()
            calibration = facts["calibration"]
            return cls(
                Scoring.from_json(facts["scoring"]),
                gathered and Gathered.from_facts(columns, gathered),
                calibration and SampleStatistics.from_json(calibration),
            )
        except _UNREADABLE as error:
            raise DataError(
                f"{path.name}: no results of a shard: {type(error).__name__}: {error}",
                hint="`run --shard` writes it beside report.json; it may be cut off",
            ) from error
