"""What a job tells the runner: outputs, the summary, and groups in its log.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from coral_action.errors import UsageError
from coral_action.report.model import Report

SUMMARY_BYTES = 1024 * 1024


def outputs_of(report: Report, folder: str) -> dict[str, str]:
    """The outputs of the action, all text; `folder` is where report.json lies."""
    drops = [m.accuracy.metrics[0].drop for m in report.models if m.accuracy]
    cpu = [m.placement.cpu for m in report.models if m.placement]
    made = [
        path for m in report.models for path in (m.files.int8, m.files.edgetpu) if path is not None
    ]
    return {
        "report": f"{folder}/report.json",
        "markdown": f"{folder}/report.md",
        "html": f"{folder}/report.html",
        "passed": json.dumps(report.passed),
        "models": json.dumps([{"name": m.name, "status": m.status} for m in report.models]),
        "files": "\n".join(made),
        "accuracy-drop": f"{max(drops):.4f}" if drops else "",
        "cpu-operators": str(sum(cpu)) if cpu else "",
    }


def write_outputs(outputs: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Append to the runner's output file; outside of a runner nothing happens.

    Each value stands between random delimiters, so that no value can pass for another output.

    Raises:
        UsageError: if the file can't be written.
    """
    lines = []
    for name, value in outputs.items():
        delimiter = f"coral_{secrets.token_hex(16)}"
        lines += [f"{name}<<{delimiter}", value, delimiter]
    _append(environment.get("GITHUB_OUTPUT"), "\n".join(lines) + "\n")


def write_summary(markdown: str, environment: Mapping[str, str]) -> None:
    """Append to the job's summary, which takes 1 MiB; outside of a runner nothing happens.

    Raises:
        UsageError: if the file can't be written.
    """
    if len(markdown.encode()) >= SUMMARY_BYTES:
        markdown = "The report is too long for a summary; see report.html.\n"
    _append(environment.get("GITHUB_STEP_SUMMARY"), markdown)


def _append(path: str | None, text: str) -> None:
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{path}: can't be written: {error.strerror}") from error


@contextmanager
def group(name: str) -> Iterator[None]:
    """A group in the runner's log."""
    print(f"::group::{escape(name)}", file=sys.stderr, flush=True)  # noqa: T201
    try:
        yield
    finally:
        print("::endgroup::", file=sys.stderr, flush=True)  # noqa: T201


def error_command(message: str) -> str:
    """An error annotation; the message is escaped, so that it can't begin a command of its own."""
    return f"::error title=coral-quantize::{escape(message)}"


def escape(value: str) -> str:
    """Data of a workflow command: no line break, no `##[` command inside."""
    escaped = value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return escaped.replace("##[", "##\u200b[")
