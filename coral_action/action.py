"""The program as a GitHub Action: inputs from the environment, results to the runner."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from coral_action.config.loader import load_config
from coral_action.config.paths import PathRules
from coral_action.console import describe, show_sandbox
from coral_action.edgetpu import find_compiler
from coral_action.edgetpu.install import install
from coral_action.errors import (
    EXIT_OK,
    CoralQuantizeError,
    StageCrashError,
    UsageError,
    troubleshooting,
)
from coral_action.github.api import GitHubApi
from coral_action.github.checkout import require_trusted_checkout
from coral_action.github.checks import Conclusion
from coral_action.github.context import Context
from coral_action.github.gates import gates_of
from coral_action.github.inputs import ActionInputs
from coral_action.github.outputs import outputs_of
from coral_action.github.publish import Publisher
from coral_action.github.rendering import SUMMARY_BYTES, Rendering, compared
from coral_action.github.runner import Runner
from coral_action.github.token import Token
from coral_action.interruption import Interruption, interruptible
from coral_action.pipeline import RunOptions, models_at_once, run
from coral_action.progress import LineProgress
from coral_action.report.files import write_report
from coral_action.report.model import Report
from coral_action.report.notices import Notice, notices_of


def main(environment: Mapping[str, str] | None = None) -> int:
    """Run the action and return its exit code (README, "Exit codes")."""
    environment = dict(os.environ if environment is None else environment)
    runner = Runner(environment, sys.stderr)
    if runner.debug:
        show_sandbox(sys.stderr)
    try:
        # Taken out at once: no process that is started from here on can inherit it.
        token = Token.from_environment(environment)
        Token.remove_from(environment)
        Token.remove_from(os.environ)
        _mask_proxies(environment, runner)
        return _run(environment, token, runner)
    except CoralQuantizeError as error:
        _say(error, runner)
        return error.exit_code
    except Exception as error:
        crash = StageCrashError(
            f"an error of coral-quantize itself: {type(error).__name__}: {error}",
            hint="please report it with the log of a run with debug logging enabled",
            details=traceback.format_exc(),
        )
        _say(crash, runner)
        return crash.exit_code


def _run(environment: Mapping[str, str], token: Token | None, runner: Runner) -> int:
    inputs = ActionInputs.from_environment(environment)
    require_trusted_checkout(
        environment,
        inputs.workspace,
        inputs.config.parent,
        allowed=inputs.allow_untrusted_checkout,
    )
    publisher = _publisher(Context.from_environment(environment), token, inputs, runner)
    # From here on all paths are relative to the workspace, as they are for the steps that follow.
    os.chdir(inputs.workspace)
    with interruptible() as interruption:
        report, errors = _make(inputs, publisher, environment, runner, interruption)
    if interruption.exit_code is not None:
        return interruption.exit_code  # the report is written; who cancels wants no comment
    codes = [report.exit_code]
    for name, error in errors.items():
        _show_details(error, runner, name)
    codes += _publish(report, inputs, publisher, environment, runner)
    return inputs.fail_on.exit_code(codes)


def _mask_proxies(environment: Mapping[str, str], runner: Runner) -> None:
    """Keep passwords of proxies out of the log: no secret of GitHub's, they are not masked yet."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        for value in (environment.get(name, ""), environment.get(name.upper(), "")):
            try:
                runner.mask(unquote(urlsplit(value).password or ""))
            except ValueError:
                continue  # no address: it will be said where it is used


def _publisher(
    context: Context | None, token: Token | None, inputs: ActionInputs, runner: Runner
) -> Publisher | None:
    """Who speaks with GitHub; nobody outside of a runner, or without a token."""
    if context is None or token is None:
        return None
    api = GitHubApi(context.api_url, token, graphql_url=context.graphql_url)
    return Publisher(api, context, inputs, runner.say)


def _make(
    inputs: ActionInputs,
    publisher: Publisher | None,
    environment: Mapping[str, str],
    runner: Runner,
    interruption: Interruption,
) -> tuple[Report, dict[str, CoralQuantizeError]]:
    """Process the models, and write the report beside them."""
    config_file = inputs.config.relative_to(inputs.workspace)
    asked = None
    if publisher is not None:
        publisher.find_pull_request()
        asked = publisher.api, publisher.context, publisher.pull
    loaded = load_config(config_file)
    config, gates = gates_of(loaded, inputs.policy, inputs.place, asked, runner.say)
    options = RunOptions(
        output=inputs.output.relative_to(inputs.workspace),
        paths=PathRules(inputs.config.parent, inputs.workspace),
        models=inputs.models,
        compiler=_compiler(inputs, environment),
        jobs=inputs.jobs,
        allow_custom_code=inputs.allow_custom_code,
        config_file=config_file,
        cache=inputs.cache,
    )
    # Groups can't overlap in a log: of models that are made together, each waits for its end.
    together = models_at_once(inputs.jobs, len(inputs.models or config.models)) > 1
    progress = LineProgress(sys.stderr, runner.group, together=together)
    report, errors = run(config, options, progress)
    report = report.model_copy(update={"gates": gates})
    if publisher is not None and interruption.exit_code is None:
        report = compared(report, publisher.find_baseline())
    write_report(report, options.output)
    return report, errors


def _compiler(inputs: ActionInputs, environment: Mapping[str, str]) -> Path | None:
    """The compiler; downloaded into a private folder where its terms were accepted."""
    try:
        return find_compiler(inputs.compiler, environment)
    except UsageError as error:
        if inputs.compiler is not None:
            raise
        if not inputs.accept_compiler_terms:
            hint = "`accept-compiler-terms: true` gets it, `compiler: none` does without"
            raise UsageError(error.message, hint=hint, topic=error.topic) from error
        return install(environment, accept_terms=True)


def _publish(
    report: Report,
    inputs: ActionInputs,
    publisher: Publisher | None,
    environment: Mapping[str, str],
    runner: Runner,
) -> list[int]:
    """Tell everybody; returns exit codes of what went wrong at that, after trying all the rest."""
    failures: list[CoralQuantizeError] = []
    rendering = Rendering(report)
    notices = notices_of(report, inputs.config.relative_to(inputs.workspace).as_posix())
    runner.annotate(notices)
    try:
        runner.write_summary(rendering.within_bytes(SUMMARY_BYTES - 1))
    except CoralQuantizeError as error:
        failures.append(error)
    if publisher is not None:
        passes = inputs.fail_on.exit_code([report.exit_code]) == EXIT_OK
        publisher.publish_comment(rendering)
        publisher.publish_check(rendering, _conclusion(report, passes=passes), notices)
        try:
            # Nobody shall download what was found wanting, or miss what could not be made.
            if passes and all(model.status != "failed" for model in report.models):
                publisher.publish_release(report)
        except CoralQuantizeError as error:
            failures.append(error)
        failures += publisher.errors
    try:
        folder = inputs.output.relative_to(inputs.workspace).as_posix()
        urls = {
            "comment_url": publisher.comment_url if publisher else "",
            "release_url": publisher.release_url if publisher else "",
        }
        runner.write_outputs(outputs_of(report, Path(folder).as_posix(), **urls))
    except CoralQuantizeError as error:
        failures.append(error)
    for failure in failures:
        _say(failure, runner)
    return [failure.exit_code for failure in failures]


def _conclusion(report: Report, *, passes: bool) -> Conclusion:
    """What the check run says: neutral where something is wrong that was not to fail the step."""
    if report.passed:
        return "success"
    return "neutral" if passes else "failure"


def _say(error: CoralQuantizeError, runner: Runner) -> None:
    """An annotation for the error, and all the rest where debug logging is on."""
    said = (error.message, error.hint, f"see {troubleshooting(error.topic)}")
    message = "\n".join(filter(None, said))
    runner.annotate([Notice("error", message, file="")])
    if not runner.is_there:
        runner.say(describe(error, debug=False))
    _show_details(error, runner)


def _show_details(error: CoralQuantizeError, runner: Runner, name: str = "") -> None:
    """A traceback or a tool's output: text from elsewhere."""
    if runner.debug and error.details:
        with runner.foreign_output():
            runner.say(f"{name}: details" if name else "details")
            runner.say(error.details)
