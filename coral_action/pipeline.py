"""Config in, Report out; one failed model never stops the others."""

from __future__ import annotations

import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coral_action.config.paths import PathRules
from coral_action.config.schema import Config, ModelConfig
from coral_action.edgetpu import compile_model, from_compiled, predict
from coral_action.errors import CoralQuantizeError, StageCrashError, UsageError
from coral_action.evaluation import evaluate
from coral_action.findings import Finding
from coral_action.loading import load_model
from coral_action.progress import Advance, Progress
from coral_action.provenance import sha256_of, tool_versions
from coral_action.quantization import quantize_model
from coral_action.report.build import (
    accuracy_data,
    finding_data,
    placement_data,
    quantization_data,
)
from coral_action.report.limits import check_limits
from coral_action.report.model import (
    ErrorData,
    FileData,
    ModelReport,
    Report,
    SizeData,
    SourceData,
)
from coral_action.tflite import read_model


@dataclass(frozen=True)
class RunOptions:
    """What the command line or the action asks for, beside coral.yml."""

    output: Path
    paths: PathRules
    models: tuple[str, ...] = ()  # empty: all
    compiler: Path | None = None  # None: predict the placement instead
    jobs: int = 1


@dataclass
class _Parts:
    """The sections of a model's report, filled in stage by stage."""

    source: SourceData
    sections: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add_file(self, kind: str, path: Path) -> None:
        """Note a file that was made, named as the user named the output folder."""
        self.files[kind] = path.as_posix()


def run(
    config: Config, options: RunOptions, progress: Progress
) -> tuple[Report, dict[str, CoralQuantizeError]]:
    """Process the chosen models; the report has them in the order of coral.yml.

    Returns:
        The report, and the error of each model that failed.

    Raises:
        UsageError: if a chosen model is not in coral.yml, or the output folder can't be made.
    """
    chosen = _choose(config, options.models)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{options.output}: can't be made: {error.strerror}") from error

    errors: dict[str, CoralQuantizeError] = {}

    def one(model: ModelConfig) -> ModelReport:
        with progress.model(model.name):
            report, error = _run_model(model, options, progress, frozenset(config.ignore))
        if error is not None:
            errors[model.name] = error
        return report

    with ThreadPoolExecutor(max_workers=max(1, options.jobs)) as pool:
        models = list(pool.map(one, chosen))
    return Report(tool=tool_versions(), models=models), errors


def _choose(config: Config, names: Sequence[str]) -> list[ModelConfig]:
    known = [model.name for model in config.models]
    for name in names:
        if name not in known:
            raise UsageError(f"no model is named {name}", hint=f"coral.yml has: {', '.join(known)}")
    return [model for model in config.models if not names or model.name in names]


def _run_model(
    model: ModelConfig, options: RunOptions, progress: Progress, ignored: frozenset[str]
) -> tuple[ModelReport, CoralQuantizeError | None]:
    started = time.monotonic()
    parts = _Parts(SourceData(path=model.source))
    error: CoralQuantizeError | None = None
    try:
        _process(model, options, progress, parts)
    except CoralQuantizeError as raised:
        error = raised
    except Exception as raised:
        error = StageCrashError(
            f"an error of coral-quantize itself: {type(raised).__name__}: {raised}",
            hint="please report it with the output of --debug",
            details=traceback.format_exc(),
        )
    parts.seconds["total"] = time.monotonic() - started
    return _report(model, parts, error, ignored), error


def _process(model: ModelConfig, options: RunOptions, progress: Progress, parts: _Parts) -> None:
    """The way of the data: load, quantize, evaluate, compile or predict."""
    # Child processes have a working folder of their own, so they need absolute paths.
    int8_path = options.output.resolve() / f"{model.name}_int8.tflite"
    for suffix in ("", "_edgetpu"):
        # What an earlier run left must not pass for the result of this one.
        int8_path.with_stem(int8_path.stem + suffix).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="coral-") as scratch:
        with _timed(progress, parts, model.name, "loading"):
            loaded = load_model(model, options.paths, Path(scratch) / "float.tflite")
            digest = sha256_of(options.paths.resolve(model.source))
            parts.source = SourceData(path=model.source, format=loaded.format, sha256=digest)
        with _timed(progress, parts, model.name, "quantization") as advance:
            int8 = quantize_model(model, loaded, options.paths, int8_path, on_progress=advance)
            sizes = SizeData(
                float_bytes=loaded.path.stat().st_size, int8_bytes=int8_path.stat().st_size
            )
            parts.add_file("int8", options.output / int8_path.name)
            parts.findings += int8.findings
            parts.sections["sizes"] = sizes
            parts.sections["quantization"] = quantization_data(int8)
            parts.sections["placement"] = placement_data(predict(int8.model))
        if model.evaluation is not None:
            with _timed(progress, parts, model.name, "evaluation") as advance:
                accuracy = evaluate(model, loaded, int8_path, options.paths, on_progress=advance)
                parts.sections["accuracy"] = accuracy_data(accuracy)
    if options.compiler is not None:
        with _timed(progress, parts, model.name, "compilation"):
            compiled = compile_model(options.compiler, int8_path, model.edge_tpu)
            parts.add_file("edgetpu", options.output / compiled.path.name)
            parts.add_file("edgetpu_log", options.output / compiled.log.name)
            size = compiled.path.stat().st_size
            parts.sections["sizes"] = sizes.model_copy(update={"edgetpu_bytes": size})
            placement = from_compiled(int8.model, read_model(compiled.path))
            parts.sections["placement"] = placement_data(placement)


@contextmanager
def _timed(progress: Progress, parts: _Parts, model: str, stage: str) -> Iterator[Advance]:
    started = time.monotonic()
    with progress.stage(model, stage) as advance:
        try:
            yield advance
        finally:
            parts.seconds[stage] = time.monotonic() - started


def _report(
    model: ModelConfig,
    parts: _Parts,
    error: CoralQuantizeError | None,
    ignored: frozenset[str],
) -> ModelReport:
    findings = [*parts.findings, *(error.findings if error else ())]
    limits = check_limits(
        model.limits,
        **{name: parts.sections.get(name) for name in ("sizes", "placement", "accuracy")},
    )
    exceeded = any(not limit.passed for limit in limits)
    return ModelReport(
        name=model.name,
        status="failed" if error else "limit_exceeded" if exceeded else "ok",
        error=error and ErrorData(kind=error.kind, message=error.message, hint=error.hint),
        source=parts.source,
        findings=[finding_data(f) for f in findings if f.id not in ignored],
        limits=limits,
        files=FileData(**parts.files),
        seconds={stage: round(seconds, 3) for stage, seconds in parts.seconds.items()},
        **parts.sections,
    )
