"""When the compiler fails: which operator makes it fail, and what is known about that.

Parts of the model are cut out of the flatbuffer and compiled; the search is in fault_search.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coral_action.edgetpu.compiler import (
    CompilationFailedError,
    Compiled,
    compile_group,
)
from coral_action.edgetpu.cut import cut
from coral_action.edgetpu.failures import Failure, known_failure
from coral_action.edgetpu.fault_search import Fault, FaultSearch, Operators, OutOfBudgetError
from coral_action.edgetpu.log import parse_log
from coral_action.edgetpu.operators import Effect, Target, View, judge
from coral_action.edgetpu.options import arguments, target_of
from coral_action.edgetpu.outcome import NOTHING_SAID, outcome
from coral_action.edgetpu.program import compiler_version
from coral_action.findings import Finding, Severity
from coral_action.isolation import Reading, run_program, scratch_folder
from coral_action.output_files import is_regular
from coral_action.tflite import TfliteModel, read_model

if TYPE_CHECKING:
    from coral_action.config.edge_tpu_schema import EdgeTpuConfig

MAX_RUNS = 40
_MOST_AT_ONCE = 4
_LISTED = 4
# Failures of the model as a whole, about which its parts tell nothing new.
_SAID_ENOUGH = ("zero_mapped", "not_quantized", "not_parsed", "bad_arguments")


@dataclass(frozen=True)
class Culprit:
    """A part that fails on its own: most often one operator."""

    operators: tuple[int, ...]
    names: tuple[str, ...]
    layer: str  # the tensor that it makes
    shapes: str  # inputs -> outputs
    minimal: bool
    hints: tuple[str, ...]  # what the rules know about it

    def __str__(self) -> str:
        """One line: `CONV_2D (operator 74), layer conv/Conv2D, 1x32x32x8 -> 1x16x16x16`."""
        first, last = self.operators[0], self.operators[-1]
        if len(self.operators) == 1:
            what = f"{self.names[0]} (operator {first})"
        elif len(self.operators) == 2:
            what = f"{self.names[0]} (operator {first}) with {self.names[-1]} (operator {last})"
        else:
            what = f"operators {first} ({self.names[0]}) to {last} ({self.names[-1]}) together"
        return f"{what}, layer {self.layer}, {self.shapes}"


@dataclass(frozen=True)
class Diagnosis:
    """What the search came to. No culprit and not `reproducible`: the model compiled this time."""

    outcome: str
    failure: Failure | None
    reproducible: bool
    complete: bool
    runs: int
    seconds: float
    culprits: tuple[Culprit, ...]

    @property
    def summary(self) -> str:
        """The result in one line."""
        effort = f"{self.runs} compiler runs, {self.seconds:.0f} s"
        if not self.reproducible and not self.complete:
            return f"the search ended before anything was found ({effort})"
        if self.outcome == "zero_mapped":
            return f"nothing fails, but nothing is mapped: `check` says why ({effort})"
        if not self.reproducible:
            return f"not reproducible: the model compiled this time ({effort})"
        found = "; ".join(str(culprit) for culprit in self.culprits)
        more = "" if self.complete else "; the search ended early, so there may be more or less"
        return f"{found}{more} ({effort})"

    def findings(self) -> list[Finding]:
        """One for each culprit, or one that says that there is none (CQ157)."""
        if not self.culprits:
            advice = "compile again; a random crash is a bug of the compiler (use version 16.0)"
            return [Finding("CQ157", Severity.WARNING, self.summary, advice)]
        message = self.failure.message if self.failure else self.outcome
        causes = self.failure.causes if self.failure else "not known"
        fix = self.failure.fix if self.failure else "replace it, or cut `outputs` before it"
        return [
            Finding(
                "CQ157",
                Severity.ERROR,
                f"the compiler fails ({message}) because of {culprit}; known causes: {causes}",
                "; ".join([*culprit.hints, fix]),
                operator=f"{culprit.names[0]} (operator {culprit.operators[0]})",
                tensor=culprit.layer,
            )
            for culprit in self.culprits
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "outcome": self.outcome,
            "reproducible": self.reproducible,
            "complete": self.complete,
            "runs": self.runs,
            "seconds": round(self.seconds, 1),
            "summary": self.summary,
            "causes": self.failure.causes if self.failure else None,
            "fix": self.failure.fix if self.failure else None,
            "sources": list(self.failure.sources) if self.failure else [],
            "culprits": [
                {**vars(culprit), "operators": list(culprit.operators), "text": str(culprit)}
                for culprit in self.culprits
            ],
        }


def diagnose(
    compiler: Path,
    model: Path,
    config: EdgeTpuConfig,
    *,
    version: str = "16",
    max_runs: int = MAX_RUNS,
    workers: int | None = None,
) -> Diagnosis:
    """Find the operators that make the compiler fail, within `config.diagnose_seconds`.

    Args:
        compiler: the program.
        model: the int8 .tflite that does not compile.
        config: its options; segments, search and intermediate tensors are left out.
        version: the compiler's, which decides about its options.
        max_runs: at most so many runs of the compiler.
        workers: runs at the same time; by default, as many as there are processors, up to four.
    """
    content = model.read_bytes()
    view = read_model(content)
    workers = workers or min(os.cpu_count() or 1, _MOST_AT_ONCE)
    began = time.monotonic()
    runs = _Runs(compiler, content, view, config, version, began + config.diagnose_seconds)
    with ThreadPoolExecutor(workers) as pool:
        search = FaultSearch(
            len(view.operators), lambda parts: runs.fail(parts, pool), workers, max_runs
        )
        found = search.run()
    target = target_of(config)
    return Diagnosis(
        outcome=runs.outcome,
        failure=known_failure(runs.outcome) if found.reproducible else None,
        reproducible=found.reproducible,
        complete=found.complete,
        runs=runs.count,
        seconds=time.monotonic() - began,
        culprits=tuple(_culprit(fault, view, target) for fault in found.faults),
    )


def compile_or_diagnose(
    compiler: Path, models: Sequence[Path], config: EdgeTpuConfig
) -> tuple[Compiled, ...]:
    """Compile; where that fails, say which operator makes it fail (`config.diagnose`).

    Raises:
        CompilationFailedError: with the diagnosis in message and findings, for a single model
            whose failure parts of it can tell more about.
        CompilerError: if the compiler can't be started, does not work, or lacks an option.
    """
    try:
        return compile_group(compiler, models, config)
    except CompilationFailedError as error:
        if not config.diagnose or len(models) > 1 or error.failure.outcome in _SAID_ENOUGH:
            raise
        found = diagnose(compiler, models[0], config, version=compiler_version(compiler))
        raise CompilationFailedError(
            f"{error.message}; {found.summary}",
            failure=error.failure,
            tries=error.tries,
            hint=error.hint,
            details=error.details,
            findings=[*error.findings, *found.findings()],
        ) from error


class _Runs:
    """Compiles parts of a model, and counts."""

    def __init__(
        self,
        compiler: Path,
        content: bytes,
        model: TfliteModel,
        config: EdgeTpuConfig,
        version: str,
        deadline: float,
    ) -> None:
        plain: dict[str, Any] = {
            "segments": None,
            "search_delegate": False,
            "intermediate_tensors": [],
            "group": None,
        }
        self._config = config.model_copy(update=plain)
        self._compiler, self._content, self._model = compiler, content, model
        self._version, self._deadline = version, deadline
        self.count = 0
        self.outcome = ""

    def fail(self, parts: Sequence[Operators], pool: ThreadPoolExecutor) -> list[bool]:
        """Which parts fail in the way in which the whole model fails."""
        if time.monotonic() >= self._deadline:
            raise OutOfBudgetError
        self.count += len(parts)
        outcomes = list(pool.map(self._outcome, parts))
        if not self.outcome:  # the first question is about the whole model
            self.outcome = outcomes[0]
        if time.monotonic() >= self._deadline:
            raise OutOfBudgetError
        return [_is_failure(found) and found == self.outcome for found in outcomes]

    def _outcome(self, part: Operators) -> str:
        whole = len(part) == len(self._model.operators)
        with scratch_folder("diagnose") as folder:
            path = folder / "part.tflite"
            made = folder / "output"
            made.mkdir()
            path.write_bytes(self._content if whole else cut(self._content, self._model, part))
            left = max(1.0, self._deadline - time.monotonic())
            options = arguments(self._config, self._version)
            command = [str(self._compiler), *options, "-o", str(made), str(path)]
            result = run_program(
                command,
                seconds=min(left, self._config.timeout + 30),
                reading=Reading((path,)),
                writable=[made],
            )
            if result.timed_out:
                return "failed:timeout"
            left_file = is_regular(made / "part_edgetpu.tflite")
            said = outcome(parse_log(result.output))
            if result.returncode == 0 and left_file:
                return said
            return said if _is_failure(said) else NOTHING_SAID


def _is_failure(word: str) -> bool:
    """Whether a run crashed or was refused; a part of which nothing maps is no failure here."""
    return not word.startswith(("full", "partial", "zero_mapped"))


def _culprit(fault: Fault, model: TfliteModel, target: Target) -> Culprit:
    operators = [model.operators[index] for index in fault.operators]
    last = operators[-1]
    hints = [
        item.finding.message.partition(": ")[2]
        for operator in operators[:_LISTED]
        for item in judge(View(operator, model, target))
        if item.effect in (Effect.RISK, Effect.REFUSED)
    ]
    inputs = [t for t in operators[0].inputs if t >= 0 and not model.tensors[t].is_constant]
    return Culprit(
        operators=fault.operators,
        names=tuple(operator.name for operator in operators),
        layer=model.tensors[last.outputs[0]].name if last.outputs else "",
        shapes=f"{_shapes(inputs, model)} -> {_shapes(last.outputs, model)}",
        minimal=fault.minimal,
        hints=tuple(dict.fromkeys(hints)),
    )


def _shapes(tensors: Sequence[int], model: TfliteModel) -> str:
    return ", ".join("x".join(map(str, model.tensors[t].shape)) or "scalar" for t in tensors)
