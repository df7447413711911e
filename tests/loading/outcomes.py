"""What becomes of each case, computed once and used by the tests and by docs/formats.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.errors import CoralQuantizeError
from coral_action.loading import FloatModel, load_model
from tests.loading.cases import Case
from tests.loading.fork_server import ForkServer


@dataclass(frozen=True)
class Outcome:
    """A loaded model or an error, and whether code that was in the file ran."""

    model: FloatModel | None
    error: CoralQuantizeError | None
    code_ran: bool


def model_config(source: Path, **config: Any) -> ModelConfig:
    return ModelConfig.model_validate(
        {"name": "model", "source": str(source), "calibration": {"npy": "none.npy"}, **config}
    )


class Outcomes:
    """Loads each case at most once, in forks of a process with TensorFlow."""

    def __init__(self, zoo: Path, server: ForkServer, folder: Path) -> None:
        self._zoo, self._server, self._folder = zoo, server, folder
        self._known: dict[str, Outcome] = {}

    def of(self, case: Case) -> Outcome:
        if case.id not in self._known:
            self._known[case.id] = self._load(case)
        return self._known[case.id]

    def _load(self, case: Case) -> Outcome:
        mark = self._zoo / "code-was-run"  # what the code in the models of `cases` leaves behind
        mark.unlink(missing_ok=True)
        model = error = None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("coral_action.loading.run_isolated", self._server.run_isolated)
            try:
                model = load_model(
                    model_config(self._zoo / case.source, **case.config),
                    PathRules(self._folder),
                    self._folder / f"{len(self._known)}.tflite",
                    allow_custom_code=case.allow_custom_code,
                )
            except CoralQuantizeError as caught:
                error = caught
        return Outcome(model, error, mark.exists())
