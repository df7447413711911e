"""One model on its way through the stages: loaded, quantized, evaluated, compiled."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coral_action.children import CHILDREN
from coral_action.config.schema import Config, ModelConfig
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
from coral_action.evaluation import Accuracy
from coral_action.findings import Finding
from coral_action.finishing import embed_metadata, labelling_of, write_labels
from coral_action.isolation import scratch_folder
from coral_action.kept_stages import KeptStages
from coral_action.loading import FloatModel, load_model
from coral_action.model_run.evaluation import (
    accuracy_of,
    blamed_layers,
    measure_shard,
    shares_samples,
)
from coral_action.model_run.options import RunOptions
from coral_action.output_files import write_file
from coral_action.progress import Advance, Progress
from coral_action.provenance import model_hash, require_inside, sha256_of, sha256_of_source
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
    interface_data,
    layer_data,
    measured_again,
    placement_data,
    quantization_data,
)
from coral_action.report.limits import check_limits
from coral_action.report.model import (
    ErrorData,
    FileData,
    ModelReport,
    ShardData,
    SizeData,
    SourceData,
)
from coral_action.sharding import quantized_before, remove_shards
from coral_action.tflite import TfliteModel

IMAGE = "ghcr.io/org/coral-quantize:v1"


@dataclass
class ModelRun:
    """What has become of one model so far; a stage that fails leaves all before it in place."""

    config: ModelConfig
    options: RunOptions
    progress: Progress
    error: CoralQuantizeError | None = None
    int8: TfliteModel | None = None
    source_digest: str = ""  # SHA-256; empty until it is known
    sections: dict[str, Any] = field(default_factory=dict)  # of the report, by name
    findings: list[Finding] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    kept: KeptStages = field(init=False)
    # Called before the first child process of the model starts; returns when there is room for it.
    wait_for_room: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.sections["source"] = SourceData(path=self.config.source)
        self.kept = KeptStages(self.config)
        if (shard := self.options.shard) is not None:
            self.sections["shard"] = ShardData(index=shard.index, count=shard.count)

    @property
    def int8_path(self) -> Path:
        """Where the int8 model goes; absolute, as child processes have folders of their own."""
        return self.options.output.resolve() / f"{self.config.name}_int8.tflite"

    @property
    def made_anew(self) -> bool:
        """Whether there is more than what came from the cache."""
        return any(stage not in self.kept.found for stage in self.seconds if stage != "total")

    def make(self) -> None:
        """Load, quantize, predict the placement, evaluate. Errors are kept, not raised."""
        if self.error is not None:
            return  # what it needs could not be fetched
        with self.errors_kept(), scratch_folder() as scratch, ExitStack() as crew:
            self._remove_old_files()
            hired: Crew | None = None
            with self.from_cache("loading"):
                loaded = self.kept.loading(scratch)
            if loaded is None:
                self.wait_for_room()
                if self.options.quantized is None:
                    # The crew starts up while the model is loading.
                    hired = crew.enter_context(start_crew(self.config, self.options.paths))
                loaded = self._load(scratch)
                self.kept.keep_loading(loaded)
            self._note_source(loaded)
            made = None
            if self.options.quantized is not None:
                self._take_over(loaded, quantized_before(self.options.quantized, self.int8_path))
            elif loaded.already_quantized:
                self._take_over(loaded, loaded.path)
            else:
                with self.from_cache("quantization"):
                    made = self.kept.quantization(loaded, scratch, self.int8_path)
                if made is None:
                    self.wait_for_room()
                    hired = hired or crew.enter_context(start_crew(self.config, self.options.paths))
                    made = self._quantize(loaded, hired, scratch)
                    self.kept.keep_quantization(loaded, made)
                self._note_quantized(loaded, made)
            crew.close()
            self._place(predict(self._made(), target_of(self.config.edge_tpu)))
            if self.options.shard is not None:
                measure_shard(self, loaded, made, self.options.shard, scratch)
            elif self.config.evaluation is not None:
                accuracy = accuracy_of(self, loaded, scratch, made)
                self._note_accuracy(accuracy, made)
                if accuracy.structural and made is not None:
                    made = blamed_layers(self, loaded, scratch, made)
                    self.sections["layers"] = layer_data(made)

    def _load(self, scratch: Path) -> FloatModel:
        paths = self.options.paths
        require_inside(paths.resolve(self.config.source), paths)
        with self.stage("loading"), ThreadPoolExecutor(1) as beside:
            hashing = beside.submit(self._hash_source)
            loaded = load_model(
                self.config,
                self.options.paths,
                scratch / "float.tflite",
                allow_custom_code=self.options.allow_custom_code,
            )
            self.source_digest = hashing.result()
            return loaded

    def _hash_source(self) -> str:
        known = self.kept.source_digest()
        return known or sha256_of_source(self.config.source, self.options.paths)

    def _note_source(self, loaded: FloatModel) -> None:
        source = self.config.source
        self.findings += loaded.findings
        digest = self.source_digest or self._hash_source()
        self.sections["source"] = SourceData(path=source, format=loaded.format, sha256=digest)

    def _take_over(self, loaded: FloatModel, int8: Path) -> None:
        """A model that is full-integer already is verified and handed on as it is."""
        self.int8 = accept_full_integer(int8)
        write_file(self.int8_path, int8.read_bytes())
        self._add_int8(loaded)

    def _quantize(self, loaded: FloatModel, crew: Crew, scratch: Path) -> Int8Model:
        kept = scratch / "float-outputs.npz" if shares_samples(self.config) else None
        with self.stage("quantization") as advance:
            return quantize_model(
                self.config,
                loaded,
                self.options.paths,
                self.int8_path,
                on_progress=advance,
                crew=crew,
                float_outputs=kept,
                allow_custom_code=self.options.allow_custom_code,
            )

    def _note_quantized(self, loaded: FloatModel, made: Int8Model) -> None:
        self.int8 = made.model
        self._add_int8(loaded)
        self.findings += made.findings
        self.sections["quantization"] = quantization_data(made)
        self.sections["layers"] = layer_data(made)
        if made.statistics is not None:
            self.findings += diagnose_data(made.statistics)
            self.sections["calibration"] = data_set(made.statistics, made.sheet)

    def _add_int8(self, loaded: FloatModel) -> None:
        self._add_file("int8", self.int8_path)
        self.sections["sizes"] = SizeData(
            float_bytes=loaded.path.stat().st_size, int8_bytes=self.int8_path.stat().st_size
        )

    def _note_accuracy(self, accuracy: Accuracy, made: Int8Model | None) -> None:
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

    def finish(self) -> None:
        """Labels and metadata into the files that were made, when nothing reads them any more."""
        labels = self.int8_path.with_name(f"{self.config.name}_labels.txt")
        labels.unlink(missing_ok=True)  # an earlier run's
        if self.error is not None or self.int8 is None:
            return
        with self.errors_kept():
            labelling = labelling_of(self.config, self.options.paths, self.int8)
            self.sections["interface"] = interface_data(self.int8, labelling.images)
            if write_labels(labels, labelling):
                self._add_file("labels", labels)
            if self.config.metadata.embed:
                compiled = self._compiled_path()
                files = (self.int8_path, compiled)
                self.findings += embed_metadata(self.config.name, self.int8, labelling, *files)
                self.sections["sizes"] = measured_again(self.sections["sizes"], *files)
            if (shard := self.sections.get("shard")) is not None:
                digest = sha256_of(self.int8_path)
                self.sections["shard"] = shard.model_copy(update={"int8_sha256": digest})

    def _compiled_path(self) -> Path | None:
        """The one compiled file; None if there is none, or several segments."""
        name = Path(self.files.get("edgetpu", "")).name
        path = self.int8_path.with_name(f"{self.int8_path.stem}_edgetpu.tflite")
        return path if name == path.name else None

    def _add_file(self, kind: str, path: Path) -> None:
        """Note a file that was made, named as the user named the output folder."""
        self.files[kind] = (self.options.output / path.name).as_posix()

    def _remove_old_files(self) -> None:
        """What an earlier run left must not pass for the result of this one."""
        stem = self.int8_path.stem
        for path in self.int8_path.parent.iterdir():
            name = path.name
            if not name.endswith((".tflite", "_edgetpu.log")):
                continue
            of_parts = name.startswith((f"{stem}_edgetpu.", f"{stem}_segment_"))
            if name == self.int8_path.name or of_parts:
                path.unlink()
        remove_shards(self.int8_path.parent, self.config.name)

    @contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        """Around one stage: shows progress, takes the time."""
        CHILDREN.check()
        started = time.monotonic()
        with self.progress.stage(self.config.name, name) as advance:
            try:
                yield advance
            finally:
                self._add_seconds(name, started)

    @contextmanager
    def from_cache(self, name: str) -> Iterator[None]:
        """Around a look into the cache for one stage: takes the time, and says what was found."""
        CHILDREN.check()
        started = time.monotonic()
        yield
        self._add_seconds(name, started)
        if name in self.kept.found:
            self.progress.unchanged(self.config.name, name)

    def _add_seconds(self, name: str, started: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

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

    def report(self, whole: Config) -> ModelReport:
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
            error=error
            and ErrorData(
                kind=error.kind, message=error.message, hint=error.hint, topic=error.topic
            ),
            findings=[finding_data(f) for f in findings if f.id not in whole.ignore],
            limits=limits,
            files=FileData(**self.files),
            seconds={stage: round(seconds, 3) for stage, seconds in self.seconds.items()},
            reproduce=self._reproduce(),
            config_sha256=model_hash(self.config, whole),
            from_cache=[stage for stage in self.kept.found if stage != "conversion"] or None,
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
    with first.errors_kept():
        paths = [run.int8_path for run in ready]
        with first.from_cache("compilation"):
            made = first.kept.compilation(compiler, paths)
        if made is None:
            first.wait_for_room()
            with first.stage("compilation"):
                made = compile_or_diagnose(compiler, paths, first.config.edge_tpu)
            first.kept.keep_compilation(made)
        for run, compiled in zip(ready, made, strict=True):
            run.take_compiled(compiled)
            if run is not first and "compilation" in first.kept.found:
                run.kept.found.append("compilation")
    for run in ready:
        run.error = first.error
