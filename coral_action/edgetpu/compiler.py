"""Running edgetpu_compiler: found, started without the token, judged by the files it leaves."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coral_action.config.edge_tpu_schema import EdgeTpuConfig
from coral_action.errors import CompilerError, UsageError
from coral_action.isolation import run_program

PROGRAM = "edgetpu_compiler"
ENVIRONMENT_VARIABLE = "EDGETPU_COMPILER"
NONE = "none"
HOW_TO_GET = "see https://coral.ai/docs/edgetpu/compiler, or pass `--compiler none` to do without"

# The compiler has a timer of its own; ours only catches a compiler that ignores it.
_GRACE_SECONDS = 30
_VERSION = re.compile(r"Edge TPU Compiler version (\S+)")


@dataclass(frozen=True)
class Compiled:
    """What a successful compilation left: the file, the compiler's log and version."""

    path: Path
    log: Path
    version: str


def find_compiler(wanted: str | None, environment: Mapping[str, str]) -> Path | None:
    """The compiler: `wanted`, else $EDGETPU_COMPILER, else on PATH; None where it is `none`.

    Raises:
        UsageError: if it is not there.
    """
    choice = wanted or environment.get(ENVIRONMENT_VARIABLE) or PROGRAM
    if choice == NONE:
        return None
    found = shutil.which(choice, path=environment.get("PATH"))
    if found is None:
        raise UsageError(f"the Edge TPU compiler was not found: {choice}", hint=HOW_TO_GET)
    return Path(found).absolute()


def compile_model(compiler: Path, model: Path, config: EdgeTpuConfig) -> Compiled:
    """Compile an int8 .tflite beside itself: NAME_edgetpu.tflite and NAME_edgetpu.log.

    Raises:
        CompilerError: if it fails, takes too long, leaves no file, or maps nothing.
    """
    command = [str(compiler), "-s", "-o", str(model.parent), "-t", str(config.timeout)]
    if config.min_runtime_version is not None:
        command += ["-m", str(config.min_runtime_version)]
    target = model.with_name(f"{model.stem}_edgetpu.tflite")
    target.unlink(missing_ok=True)
    result = run_program([*command, str(model)], seconds=config.timeout + _GRACE_SECONDS)
    version = _VERSION.search(result.output)
    log = model.with_name(f"{model.stem}_edgetpu.log")
    log.write_text(result.output, encoding="utf-8")
    if result.timed_out:
        raise CompilerError(
            f"edgetpu_compiler took longer than {config.timeout} seconds and was stopped",
            hint="large activations take it long: raise edge_tpu.timeout, or use a smaller input",
            details=result.output,
        )
    if result.returncode != 0 or not target.is_file():
        target.unlink(missing_ok=True)
        raise CompilerError(
            f"edgetpu_compiler failed: {_reason(result.output)}",
            hint=f"its whole output is in {log.name}",
            details=result.output,
        )
    return Compiled(target, log, version[1] if version else "unknown")


def _reason(output: str) -> str:
    """The line that tells most: an error line, else the last one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [
        line for line in lines if re.search(r"error|failed|invalid|not quantized", line, re.I)
    ]
    return (telling or lines or ["it said nothing"])[0][:200]
