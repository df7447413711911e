"""The program as a GitHub Action: inputs from the environment, results to the runner."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from coral_action.config import load_config
from coral_action.config.paths import PathRules
from coral_action.console import describe
from coral_action.edgetpu import find_compiler
from coral_action.errors import CoralQuantizeError
from coral_action.github.inputs import ActionInputs
from coral_action.github.runner import (
    error_command,
    escape,
    group,
    outputs_of,
    write_outputs,
    write_summary,
)
from coral_action.pipeline import RunOptions, run
from coral_action.progress import LineProgress
from coral_action.report import markdown
from coral_action.report.files import write_report


def main(environment: Mapping[str, str] | None = None) -> int:
    """Run the action and return its exit code (README, "Exit codes")."""
    environment = os.environ if environment is None else environment
    debug = environment.get("RUNNER_DEBUG") == "1"
    try:
        return _run(environment, debug=debug)
    except CoralQuantizeError as error:
        _say(error, debug=debug)
        return error.exit_code


def _run(environment: Mapping[str, str], *, debug: bool) -> int:
    inputs = ActionInputs.from_environment(environment)
    # From here on all paths are relative to the workspace, as they are for the steps that follow.
    os.chdir(inputs.workspace)
    output = inputs.output.relative_to(inputs.workspace)
    config = load_config(inputs.config.relative_to(inputs.workspace))
    options = RunOptions(
        output=output,
        paths=PathRules(inputs.config.parent, inputs.workspace),
        models=inputs.models,
        compiler=find_compiler(inputs.compiler, environment),
        jobs=inputs.jobs,
    )
    # Groups can't overlap in a log: with several jobs the lines carry the model's name only.
    progress = LineProgress(sys.stderr, group if inputs.jobs == 1 else None)
    report, errors = run(config, options, progress)
    write_report(report, output)
    for name, error in errors.items():
        _say(error, debug=debug, name=name)
    write_summary(markdown.render(report), environment)
    write_outputs(outputs_of(report, Path(output).as_posix()), environment)
    return report.exit_code


def _say(error: CoralQuantizeError, *, debug: bool, name: str = "") -> None:
    """An annotation for the error; then the details, no line of which can be a command."""
    first, *details = describe(error, debug=debug, name=name).split("\n", 2)
    hint = details[0] if details else ""
    print(error_command(f"{first}\n{hint}".strip()), file=sys.stderr)  # noqa: T201
    for line in "\n".join(details[1:]).splitlines():
        print(f"| {escape(line)}", file=sys.stderr)  # noqa: T201
