"""One model on its way through the stages: loaded, quantized, evaluated, compiled."""

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
from coral_action.config.schema import ModelConfig
from coral_action.data import compare as compare_data
from coral_action.data import diagnose as diagnose_data
from coral_action.edgetpu import (
    Compiled,
    Placement,
    compile_or_diagnose,
    estimate,
    placement_of,
    predict,
    target_of,
)
from coral_action.errors import CoralQuantizeError, StageCrashError
from coral_action.evaluation import evaluate
from coral_action.file_writing import replace_file
from coral_action.findings import Finding
from coral_action.loading import FloatModel, check_conversion, load_model
from coral_action.progress import Advance, Progress
from coral_action.provenance import sha256_of
from coral_action.quantization import (
    Crew,
    Int8Model,
    accept_full_integer,
    quantize_model,
    start_crew,
)
from coral_action.report.build import (
    accuracy_data,
    data_set,
    docker_line,
    edge_tpu_data,
    finding_data,
    layer_data,
    placement_data,
    quantization_data,
)
from coral_action.report.limits import check_limits
from coral_action.report.model import ErrorData, FileData, ModelReport, SizeData, SourceData
from coral_action.tflite import TfliteModel

IMAGE = "ghcr.io/org/coral-quantize:v1"


@dataclass(frozen=True)
class RunOptions:
    """What the command line or the action asks for, beside coral.yml."""

    output: Path
    paths: PathRules
    models: tuple[str, ...] = ()  # empty: all
    compiler: Path | None = None  # None: predict the placement instead
    jobs: int = 1
    allow_custom_code: bool = False
    config_file: Path | None = None  # for the report: lines of coral.yml, and how to repeat the run


@dataclass
class ModelRun:
    """What has become of one model so far; a stage that fails leaves all before it in place."""

    config: ModelConfig
    options: RunOptions
    progress: Progress
    error: CoralQuantizeError | None = None
    int8: TfliteModel | None = None
    sections: dict[str, Any] = field(default_factory=dict)  # of the report, by name
    findings: list[Finding] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sections["source"] = SourceData(path=self.config.source)

    @property
    def int8_path(self) -> Path:
        """Where the int8 model goes; absolute, as child processes have folders of their own."""
        return self.options.output.resolve() / f"{self.config.name}_int8.tflite"

    def make(self) -> None:
        """Load, quantize, predict the placement, evaluate. Errors are kept, not raised."""
        if self.error is not None:
            return  # what it needs could not be fetched
        with self.errors_kept(), tempfile.TemporaryDirectory(prefix="coral-") as scratch:
            self._remove_old_files()
            made = None
            # The crew starts up while the model is loading.
            with start_crew(self.config) as crew:
                loaded = self._load(Path(scratch))
                if not loaded.already_quantized:
                    made = self._quantize(loaded, crew)
            if made is None:
                self._take_over(loaded)
            self._place(predict(self._made(), target_of(self.config.edge_tpu)))
            if self.config.evaluation is not None:
                self._evaluate(loaded, made)

    def _load(self, scratch: Path) -> FloatModel:
        source = self.config.source
        with self.stage("loading"):
            loaded = load_model(
                self.config,
                self.options.paths,
                scratch / "float.tflite",
                allow_custom_code=self.options.allow_custom_code,
            )
            self.findings += loaded.findings
            digest = sha256_of(self.options.paths.resolve(source))
        self.sections["source"] = SourceData(path=source, format=loaded.format, sha256=digest)
        return loaded

    def _take_over(self, loaded: FloatModel) -> None:
        """A source that is full-integer already is verified and handed on as it is."""
        self.int8 = accept_full_integer(loaded.path)
        replace_file(self.int8_path, loaded.path.read_bytes())
        self._add_int8(loaded)

    def _quantize(self, loaded: FloatModel, crew: Crew) -> Int8Model:
        with self.stage("quantization") as advance:
            made = quantize_model(
                self.config,
                loaded,
                self.options.paths,
                self.int8_path,
                on_progress=advance,
                crew=crew,
                allow_custom_code=self.options.allow_custom_code,
            )
        self.int8 = made.model
        self._add_int8(loaded)
        self.findings += made.findings
        self.sections["quantization"] = quantization_data(made)
        self.sections["layers"] = layer_data(made)
        if made.statistics is not None:
            self.findings += diagnose_data(made.statistics)
            self.sections["calibration"] = data_set(made.statistics)
        return made

    def _add_int8(self, loaded: FloatModel) -> None:
        self._add_file("int8", self.int8_path)
        self.sections["sizes"] = SizeData(
            float_bytes=loaded.path.stat().st_size, int8_bytes=self.int8_path.stat().st_size
        )

    def _evaluate(self, loaded: FloatModel, made: Int8Model | None) -> None:
        allowed = self.options.allow_custom_code
        with self.stage("evaluation") as advance, ThreadPoolExecutor(1) as beside:
            # What came the short way was not held against TensorFlow yet; loading can be wrong too.
            checking = None
            if not loaded.conversion_checked:
                checking = beside.submit(
                    check_conversion,
                    self.config,
                    loaded,
                    self.options.paths,
                    allow_custom_code=allowed,
                )
            accuracy = evaluate(
                self.config,
                loaded,
                self.int8_path,
                self.options.paths,
                on_progress=advance,
                allow_custom_code=allowed,
            )
            self.findings += checking.result() if checking else ()
        self.findings += accuracy.findings
        self.sections["accuracy"] = accuracy_data(accuracy)
        if accuracy.statistics is not None:
            self.findings += diagnose_data(accuracy.statistics)
            self.sections["evaluation_data"] = data_set(accuracy.statistics)
            if made is not None and made.statistics is not None:
                self.findings += compare_data(made.statistics, accuracy.statistics)

    def _place(self, placement: Placement, compiled: Compiled | None = None) -> None:
        """Placement, and what it costs; findings of an earlier placement give way."""
        model = self._made()
        cost = estimate(model, placement, compiled.models if compiled else ())
        self.findings = [f for f in self.findings if not f.id.startswith("CQ1")]
        self.findings += [*placement.findings, *cost.findings()]
        self.findings += compiled.findings if compiled else ()
        self.sections["placement"] = placement_data(placement, model)
        self.sections["edge_tpu"] = edge_tpu_data(cost, compiled)

    def _made(self) -> TfliteModel:
        if self.int8 is None:
            raise ValueError("there is no int8 model yet")
        return self.int8

    def take_compiled(self, compiled: Compiled) -> None:
        """What the compiler made of the int8 model."""
        self._add_file("edgetpu", compiled.path)
        self._add_file("edgetpu_log", compiled.log)
        size = sum(path.stat().st_size for path in compiled.paths)
        self.sections["sizes"] = self.sections["sizes"].model_copy(update={"edgetpu_bytes": size})
        placement = placement_of(self._made(), compiled, target_of(self.config.edge_tpu))
        self._place(placement, compiled)

    def _add_file(self, kind: str, path: Path) -> None:
        """Note a file that was made, named as the user named the output folder."""
        self.files[kind] = (self.options.output / path.name).as_posix()

    def _remove_old_files(self) -> None:
        """What an earlier run left must not pass for the result of this one."""
        stem = self.int8_path.stem
        for path in self.int8_path.parent.glob("*.tflite*"):
            name = path.name.removesuffix(".part").removesuffix(".tflite")
            if name == stem or name.startswith((f"{stem}_edgetpu", f"{stem}_segment_")):
                path.unlink()

    @contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        """Around one stage: shows progress, takes the time."""
        started = time.monotonic()
        with self.progress.stage(self.config.name, name) as advance:
            try:
                yield advance
            finally:
                self.seconds[name] = time.monotonic() - started

    @contextmanager
    def errors_kept(self) -> Iterator[None]:
        """Around a part of the way: an error ends the part, and is this model's."""
        started = time.monotonic()
        try:
            yield
        except CoralQuantizeError as raised:
            self.error = raised
        except Exception as raised:
            self.error = StageCrashError(
                f"an error of coral-quantize itself: {type(raised).__name__}: {raised}",
                hint="please report it with the output of --debug",
                details=traceback.format_exc(),
            )
        self.seconds["total"] = self.seconds.get("total", 0.0) + time.monotonic() - started

    def report(self, ignored: frozenset[str]) -> ModelReport:
        """Everything so far, without the findings that coral.yml silences."""
        error = self.error
        findings = [*self.findings, *(error.findings if error else ())]
        limits = check_limits(
            self.config.limits,
            sizes=self.sections.get("sizes"),
            placement=self.sections.get("placement"),
            accuracy=self.sections.get("accuracy"),
        )
        exceeded = any(not limit.passed for limit in limits)
        return ModelReport(
            name=self.config.name,
            status="failed" if error else "limit_exceeded" if exceeded else "ok",
            error=error and ErrorData(kind=error.kind, message=error.message, hint=error.hint),
            findings=[finding_data(f) for f in findings if f.id not in ignored],
            limits=limits,
            files=FileData(**self.files),
            seconds={stage: round(seconds, 3) for stage, seconds in self.seconds.items()},
            reproduce=self._reproduce(),
            **self.sections,
        )

    def _reproduce(self) -> str | None:
        """The command line that does this again elsewhere."""
        config = self.options.config_file
        if config is None or config.is_absolute():
            return None
        with_compiler = self.options.compiler is not None
        return docker_line(IMAGE, config.as_posix(), self.config.name, compiler=with_compiler)


def compile_runs(compiler: Path, runs: Sequence[ModelRun]) -> None:
    """Compile models together, or one alone; a failure is that of all of them."""
    ready = [run for run in runs if run.error is None]
    if not ready:
        return
    first = ready[0]
    with first.errors_kept(), first.stage("compilation"):
        paths = [run.int8_path for run in ready]
        made = compile_or_diagnose(compiler, paths, first.config.edge_tpu)
        for run, compiled in zip(ready, made, strict=True):
            run.take_compiled(compiled)
    for run in ready:
        run.error = first.error
