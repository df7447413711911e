"""The readers of foreign bytes that run in the parent process, and real inputs to start from.

Each target takes one input; `CoralQuantizeError` in one line is an answer, anything else a fault.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from coral_action.errors import CoralQuantizeError
from tests.fuzz import mutations

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "tests" / "report")]
_MOST_FILES, _MOST_BYTES = 12, 300_000


@dataclass(frozen=True)
class Target:
    """What reads, and what it is given."""

    read: Callable[[Any], object]
    inputs: Callable[[], st.SearchStrategy[Any]]


def _corpus(*patterns: str) -> tuple[bytes, ...]:
    """Small files of the corpus of real recordings, where there is one."""
    folder = Path(os.environ.get("CORAL_CORPUS", PROJECT.parent / "shared"))
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    small = [path for path in found if path.is_file() and path.stat().st_size < _MOST_BYTES]
    step = max(1, len(small) // _MOST_FILES)
    return tuple(path.read_bytes() for path in small[::step][:_MOST_FILES])


def _graphs() -> tuple[bytes, ...]:
    from edgetpu.graphs import chain

    return (chain(["RELU", "LEAKY_RELU", "RELU"]), chain(["RELU"] * 12))


def read_tflite(content: bytes) -> None:
    """A .tflite as `check`, and the parent after each child, reads it."""
    from coral_action.tflite import read_model

    model = read_model(content)
    model.input_names(), model.output_names()


def read_executable(content: bytes) -> None:
    """A compiled file as `inspect` reads it."""
    from coral_action.edgetpu.executable import read_compiled

    json.dumps(read_compiled(content).to_json())


@cache
def _compiled() -> tuple[bytes, ...]:
    """Compiled by the stand-in, and real ones where there are."""
    import subprocess

    with tempfile.TemporaryDirectory() as folder:
        compiler = [sys.executable, PROJECT / "tests" / "fakes" / "edgetpu_compiler.py"]
        made = []
        for number, graph in enumerate(_graphs()):
            model = Path(folder) / f"m{number}.tflite"
            model.write_bytes(graph)
            subprocess.run([*compiler, "-o", folder, model], check=True, capture_output=True)
            made.append((Path(folder) / f"m{number}_edgetpu.tflite").read_bytes())
    return (*made, *_corpus("corpus/compiled/*_edgetpu.tflite"))


def read_log(content: bytes) -> None:
    """What a compiler printed: it is never refused."""
    from coral_action.edgetpu.log import parse_log

    json.dumps(parse_log(content.decode("utf-8", "replace")).to_json())


_LOG = b"""Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 52 ms.

Input model: m.tflite
Input size: 3.45MiB
Output model: m_edgetpu.tflite
Output size: 3.61MiB
On-chip memory used for caching model parameters: 3.30MiB
On-chip memory remaining for caching model parameters: 4.19MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 31
Operation log: m_edgetpu.log

Operator                       Count      Status

CONV_2D                        15         Mapped to Edge TPU
SOFTMAX                        1          Operation version not supported
Compilation succeeded!
"""


def read_config(value: Any) -> None:
    """coral.yml, as text or as the data that was meant."""
    from coral_action.config.loader import parse_config

    if isinstance(value, bytes):
        parse_config(value.decode("utf-8", "replace"), "coral.yml")
        return
    parse_config(json.dumps(value), "coral.yml")


@cache
def _configs() -> tuple[bytes, ...]:
    examples = [path.read_bytes() for path in sorted((PROJECT / "examples").rglob("coral.yml"))]
    return (*examples, (Path(__file__).parent / "every_key.yml").read_bytes())


def _config_data() -> tuple[Any, ...]:
    import yaml

    return tuple(yaml.safe_load(text) for text in _configs())


def read_report(value: Any) -> None:
    """report.json of a stranger: read, and whatever reads is shown in every form."""
    from coral_action.report.formats import FORMATS, renderer
    from coral_action.report.markdown import COMMENT, render
    from coral_action.report.model import Report

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
        report = Report.read(path)
    for name in FORMATS:
        renderer(name)(report).encode()
    render(report, COMMENT)


def _reports() -> tuple[Any, ...]:
    import report_samples as samples

    return (samples.digits().to_json(), samples.mixed().to_json())


def read_index(content: bytes) -> None:
    """Git's index, which says what is tracked."""
    from coral_action.git_folder import tracked_files

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / ".git").mkdir()
        (Path(folder) / ".git" / "index").write_bytes(content)
        tracked_files(Path(folder))


@cache
def _indexes() -> tuple[bytes, ...]:
    import subprocess

    found = []
    with tempfile.TemporaryDirectory() as folder:
        git = ["git", "-C", folder]
        subprocess.run([*git, "init", "--quiet"], check=True)
        for name in ("a", "b c", "d" * 90):
            (Path(folder) / name).touch()
        subprocess.run([*git, "add", "--all"], check=True)
        for version in ("2", "4"):
            subprocess.run([*git, "update-index", f"--index-version={version}"], check=True)
            found.append((Path(folder) / ".git" / "index").read_bytes())
    return tuple(found)


TARGETS = {
    "tflite": Target(
        read_tflite,
        lambda: mutations.damaged_bytes((*_graphs(), *_corpus("corpus/compiled/*.tflite"))),
    ),
    "executable": Target(read_executable, lambda: mutations.damaged_bytes(_compiled())),
    "log": Target(read_log, lambda: mutations.damaged_bytes((_LOG, *_corpus("corpus/logs/*.txt")))),
    "config": Target(
        read_config,
        lambda: mutations.damaged_bytes(_configs()) | mutations.damaged_data(_config_data()),
    ),
    "report": Target(
        read_report,
        lambda: (
            mutations.damaged_data(_reports())
            | mutations.damaged_data(_reports())
            | mutations.damaged_bytes(tuple(json.dumps(r).encode() for r in _reports()))
        ),
    ),
    "index": Target(read_index, lambda: mutations.damaged_bytes(_indexes())),
}


def attempt(name: str, value: Any) -> str:
    """Read one input; `read` or `refused`. What is raised is a fault."""
    try:
        TARGETS[name].read(value)
    except CoralQuantizeError as error:
        assert error.message, "an error without a message"
        return "refused"
    return "read"
