"""Running edgetpu_compiler: judged by its status, the files it leaves and what is in them."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coral_action.edgetpu.compiled_files import (
    compiled_files,
    keep_files,
    log_path,
    old_files,
    table_of,
)
from coral_action.edgetpu.executable import CompiledModel, read_compiled
from coral_action.edgetpu.failures import (
    TIMED_OUT,
    UNREADABLE,
    ZERO_MAPPED,
    Failure,
    explain,
)
from coral_action.edgetpu.log import CompilerLog, ModelLog, parse_log
from coral_action.edgetpu.operators import Target
from coral_action.edgetpu.options import arguments, major_version, missing_options
from coral_action.edgetpu.outcome import outcome
from coral_action.edgetpu.placement import Placement, from_compiled
from coral_action.edgetpu.program import (
    ELSEWHERE,
    compiler_version,
    is_elsewhere,
    start,
    telling_line,
)
from coral_action.errors import CompilerError, ModelError, UsageError
from coral_action.findings import Finding, Severity
from coral_action.isolation import ProgramResult, scratch_folder
from coral_action.output_files import write_file
from coral_action.tflite import TfliteModel, read_model

if TYPE_CHECKING:
    from coral_action.config.edge_tpu_schema import EdgeTpuConfig

PROGRAM = "edgetpu_compiler"
ENVIRONMENT_VARIABLE = "EDGETPU_COMPILER"
NONE = "none"
HOW_TO_GET = (
    "`coral-quantize compiler install --accept-terms` gets it, or pass `--compiler none` to do "
    "without"
)

# The compiler has a timer of its own, for each try of a search and each segment; ours only catches
# a compiler that ignores it.
_GRACE_SECONDS = 30
_SEARCH_FACTOR = 10


@dataclass(frozen=True)
class Try:
    """One run of the compiler."""

    outcome: str
    returncode: int
    seconds: float


@dataclass(frozen=True)
class Compiled:
    """What a successful compilation left.

    `path` is the compiled file (the first segment of a segmented model, all are in `paths`), `log`
    a text file with all that the compiler said.
    """

    path: Path
    log: Path
    version: str
    paths: tuple[Path, ...] = ()
    models: tuple[CompiledModel, ...] = ()
    said: ModelLog | None = None
    outcome: str = ""
    milliseconds: int | None = None  # the compiler's own count
    tries: tuple[Try, ...] = ()
    findings: tuple[Finding, ...] = ()
    ends: tuple[str, ...] = ()  # tensors where the Edge TPU's part was told to end
    output: str = field(default="", repr=False)  # raw: fence it before it is printed in a workflow

    def to_json(self) -> dict[str, Any]:
        """Plain data for report.json."""
        return {
            "version": self.version,
            "outcome": self.outcome,
            "milliseconds": self.milliseconds,
            "files": [path.name for path in self.paths],
            "log": self.log.name,
            "tries": [vars(item) for item in self.tries],
            "said": self.said.to_json() if self.said else None,
            "executables": [model.to_json() for model in self.models],
        }


def placement_of(
    original: TfliteModel, compiled: Compiled, target: Target | None = None
) -> Placement:
    """Where each operator of a compiled model went, segments and told ends included."""
    files = [read_model(path) for path in compiled.paths]
    return from_compiled(original, files, compiled.said, target, compiled.ends)


def find_compiler(wanted: str | None, environment: Mapping[str, str]) -> Path | None:
    """The compiler: `wanted`, else $EDGETPU_COMPILER, on PATH, installed; None where `none`.

    Raises:
        UsageError: if it is not there, or can't be there on this kind of machine.
    """
    from coral_action.edgetpu.install import installed_compiler

    choice = wanted or environment.get(ENVIRONMENT_VARIABLE) or PROGRAM
    if choice == NONE:
        return None
    found = shutil.which(choice, path=environment.get("PATH"))
    if found is not None:
        return Path(found).absolute()
    if choice == PROGRAM and (installed := installed_compiler(environment)) is not None:
        return installed
    if is_elsewhere():
        machine = platform.machine()
        raise UsageError(
            f"the Edge TPU compiler exists for x86-64 Linux only; this machine is {machine}",
            hint=ELSEWHERE,
            topic="compiler-not-found",
        )
    raise UsageError(
        f"the Edge TPU compiler was not found: {choice}",
        hint=HOW_TO_GET,
        topic="compiler-not-found",
    )


def compile_model(compiler: Path, model: Path, config: EdgeTpuConfig) -> Compiled:
    """Compile an int8 .tflite; the files go beside it: NAME_edgetpu.tflite, NAME_edgetpu.log.

    Raises:
        CompilationFailedError: if it fails, takes too long, leaves no file, or maps nothing.
        CompilerError: if it can't be started, does not work, or lacks an option.
    """
    return compile_group(compiler, [model], config)[0]


def compile_group(
    compiler: Path, models: Sequence[Path], config: EdgeTpuConfig
) -> tuple[Compiled, ...]:
    """Compile models together: they share the memory for parameters, the first one first.

    Each one's files go beside it.

    Raises:
        CompilationFailedError: if it fails for one of them.
        CompilerError: if it can't be started, does not work, or lacks an option.
    """
    version = compiler_version(compiler)
    if missing := missing_options(config, version):
        raise CompilerError(
            f"edgetpu_compiler {version} has no {', '.join(missing)}", hint="use version 16.0"
        )
    tries: list[Try] = []
    while True:
        with scratch_folder("compile") as parent:
            folder = parent / "output"
            folder.mkdir()
            run = _run(compiler, models, config, version, folder)
            _remove_old_files(models)  # only now: an interrupted run takes nothing away
            tries.append(Try(outcome(run.said), run.result.returncode, round(run.seconds, 3)))
            for model in models:
                write_file(log_path(model), run.result.output)
            known = _why_failed(run, models, config)
            if known is None:
                return tuple(_keep(run, model, config, version, tries) for model in models)
            again = known.random and major_version(version) < 16 and len(tries) < config.tries
            if not again:
                raise _error(known, run, config, tries, log_path(models[0]))


def _remove_old_files(models: Sequence[Path]) -> None:
    for model in models:
        for old in old_files(model):
            old.unlink()


@dataclass(frozen=True)
class _Run:
    result: ProgramResult
    said: CompilerLog
    folder: Path
    seconds: float

    def files(self, model: Path) -> list[Path]:
        """The compiled files of a model: one, or its segments in order."""
        return compiled_files(self.folder, model.stem)


def _run(
    compiler: Path, models: Sequence[Path], config: EdgeTpuConfig, version: str, folder: Path
) -> _Run:
    options = arguments(config, version, len(models))
    seconds = config.timeout * (config.segments or 1) * len(models)
    seconds *= _SEARCH_FACTOR if config.search_delegate else 1
    started = time.monotonic()
    result = start(
        [str(compiler), *options, "-o", str(folder), *(str(m.absolute()) for m in models)],
        seconds + _GRACE_SECONDS,
        readable=[model.absolute() for model in models],
        writable=[folder],
    )
    return _Run(result, parse_log(result.output), folder, time.monotonic() - started)


def _why_failed(run: _Run, models: Sequence[Path], config: EdgeTpuConfig) -> Failure | None:
    """The failure of a run, or None for a success."""
    if run.result.timed_out:
        return TIMED_OUT
    found = [run.files(model) for model in models]
    if any(len(files) != (config.segments or 1) for files in found):
        return explain(run.said)
    # A search fails first and succeeds later, so its status says little; the files say all.
    if run.result.returncode != 0 and not config.search_delegate:
        return explain(run.said)
    try:
        mapped = [any(read_compiled(path).subgraphs for path in files) for files in found]
    except ModelError:
        return UNREADABLE
    return None if all(mapped) else ZERO_MAPPED


class CompilationFailedError(CompilerError):
    """The compiler ran and failed; `failure` says what is known about the way it did."""

    def __init__(
        self,
        message: str,
        *,
        failure: Failure,
        tries: Sequence[Try],
        hint: str = "",
        details: str = "",
        findings: Sequence[Finding] = (),
    ) -> None:
        super().__init__(message, hint=hint, details=details, findings=findings)
        self.failure = failure
        self.tries = tuple(tries)


def _error(
    known: Failure, run: _Run, config: EdgeTpuConfig, tries: Sequence[Try], log: Path
) -> CompilationFailedError:
    message = f"edgetpu_compiler failed: {known.message}"
    telling = _telling_line(run.said)
    if telling and known.outcome != "zero_mapped":
        message += f" ({telling})"
    if known is TIMED_OUT:
        message += f" after {run.seconds:.0f} s (edge_tpu.timeout is {config.timeout})"
    if len(tries) > 1:
        message += f"; {len(tries)} tries"
    finding = Finding(
        "CQ150",
        Severity.ERROR,
        f"the Edge TPU compiler failed: {known.message}; known causes: {known.causes}",
        known.fix,
    )
    return CompilationFailedError(
        message,
        failure=known,
        tries=tries,
        hint=f"{known.fix}; its whole output is in {log.name}",
        details=run.result.output,
        findings=[finding],
    )


def _telling_line(said: CompilerLog) -> str:
    """The message that tells most, in the compiler's own words; else what nobody knows."""
    empty = ("Compilation child process", "Compilation failed!", "ERROR: Restored original")
    telling = [m for m in said.messages if not m.startswith((*empty, "Compilation succeeded"))]
    return telling_line(telling[:1] or said.unknown)


def _keep(
    run: _Run, model: Path, config: EdgeTpuConfig, version: str, tries: Sequence[Try]
) -> Compiled:
    """Move a model's files beside it, and read them."""
    kept = keep_files(run.files(model), model.parent)
    names = {path.name for path in kept}
    said = [m for m in run.said.models if m.output and Path(m.output).name in names]
    cut = len(run.said.searched) > 1 and run.said.cuts  # the last try is the one that compiled
    for item in said:
        item.rows = item.rows or table_of(run.folder / f"{Path(str(item.output)).stem}.log")
    return Compiled(
        path=kept[0],
        log=log_path(model),
        version=run.said.version or version,
        paths=tuple(kept),
        models=tuple(read_compiled(path) for path in kept),
        said=said[0] if len(said) == 1 else None,
        outcome=outcome(run.said),
        milliseconds=run.said.milliseconds,
        tries=tuple(tries),
        findings=tuple(_findings(run.said, tries)),
        ends=(*config.intermediate_tensors, *(run.said.cuts[-1].split(",") if cut else ())),
        output=run.result.output,
    )


def _findings(said: CompilerLog, tries: Sequence[Try]) -> list[Finding]:
    found = []
    strange = [*said.unknown, *said.surrounding]  # nobody else wrote into this output
    if strange:
        found.append(
            Finding(
                "CQ152",
                Severity.INFO,
                f"the compiler said what this tool does not know: {strange[0][:200]}",
                "the whole output is kept beside the compiled file",
            )
        )
    if len(tries) > 1:
        before = ", ".join(item.outcome for item in tries[:-1])
        found.append(
            Finding(
                "CQ153",
                Severity.WARNING,
                f"compiled at try {len(tries)}; before: {before}",
                "this compiler crashes at random: use version 16.0",
            )
        )
    if len(said.searched) > 1:
        found.append(
            Finding(
                "CQ154",
                Severity.WARNING,
                f"the compiler cut operators off the end: {said.searched[0]} failed, "
                f"{said.searched[-1]} compiled",
                "the rest runs on the CPU",
            )
        )
    return found
