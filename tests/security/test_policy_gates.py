"""Gates can't be weakened by the branch that they guard, and what it changes of them is shown."""

from __future__ import annotations

import json

import action_job
import pytest
from action_job import Job
from fakes.github_server import Fault, status
from fakes.github_state import REPOSITORY

from coral_action.config.loader import parse_config
from coral_action.config.policy import GateChange, gate_changes, removed_gates, with_gates_of
from coral_action.config.schema import Config
from coral_action.report import html, markdown, terminal
from coral_action.report.model import Report

job = action_job.job  # the fixture

MODEL = """
  - name: {name}
    source: m
    calibration: {{npy: x.npy}}
    evaluation: {{images: {images}, labels: folders}}
    limits: {limits}
"""


def config(
    limits: str = "{}", name: str = "digits", images: str = "data/test", ignore: str = "[]"
) -> str:
    model = MODEL.format(name=name, limits=limits, images=images)
    return f"version: 1\nignore: {ignore}\nmodels:{model}"


def parsed(*words: str, **options: str) -> Config:
    return parse_config(config(*words, **options), "coral.yml")


# --- what counts as a change ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "gate", "weaker"),
    [
        ("{accuracy_drop: 1.0}", "{accuracy_drop: 5.0}", "accuracy_drop", True),
        ("{accuracy_drop: 5.0}", "{accuracy_drop: 1.0}", "accuracy_drop", False),
        ("{accuracy_drop: 1.0}", "{}", "accuracy_drop", True),
        ("{}", "{accuracy_drop: 1.0}", "accuracy_drop", False),
        (
            "{accuracy_drop: 1}",
            "{accuracy_drop: {max: 1, confidence: 0.95}}",
            "accuracy_drop",
            True,
        ),
        (
            "{accuracy_drop: {max: 1, confidence: 0.9}}",
            "{accuracy_drop: {max: 1, confidence: 0.99}}",
            "accuracy_drop",
            True,
        ),
        (
            "{accuracy_drop: {max: 1, confidence: 0.9}}",
            "{accuracy_drop: 1}",
            "accuracy_drop",
            False,
        ),
        ("{int8_size: 4 MiB}", "{int8_size: 5 MiB}", "int8_size", True),
        ("{cpu_operators: 0}", "{cpu_operators: 1}", "cpu_operators", True),
        ("{cpu_operators: 0}", "{}", "cpu_operators", True),
        ("{cpu_operators: 2}", "{cpu_operators: 0}", "cpu_operators", False),
    ],
)
def test_every_limit_that_differs(before: str, after: str, gate: str, weaker: bool) -> None:
    (change,) = gate_changes(parsed(before), parsed(after))
    assert (change.model, change.gate, change.weaker) == ("digits", gate, weaker)
    assert change.before != change.after


def test_what_is_shown_of_a_change() -> None:
    own = "{accuracy_drop: 5.0, int8_size: 5 MiB}"
    changes = gate_changes(parsed("{accuracy_drop: 1.0, cpu_operators: 0}"), parsed(own))
    assert changes == [
        GateChange("digits", "accuracy_drop", "1", "5", weaker=True),
        GateChange("digits", "int8_size", None, "5242880", weaker=False),
        GateChange("digits", "cpu_operators", "0", None, weaker=True),
    ]


def test_the_same_written_differently_is_no_change() -> None:
    same = "{accuracy_drop: {max: 1}, int8_size: 4096}"
    assert gate_changes(parsed("{accuracy_drop: 1.0, int8_size: 4 KiB}"), parsed(same)) == []


def test_data_that_the_accuracy_is_measured_with_is_a_gate() -> None:
    limit = "{accuracy_drop: 1.0}"
    (change,) = gate_changes(parsed(limit), parsed(limit, images="data/easy"))
    assert (change.gate, change.weaker) == ("evaluation", True)
    assert "data/easy" in str(change.after)
    assert gate_changes(parsed(), parsed(images="data/easy")) == []  # nothing hangs on it


def test_silenced_findings_and_models_that_are_gone() -> None:
    base = parsed("{cpu_operators: 0}", ignore="[CQ101]")
    own = parsed("{cpu_operators: 9}", name="renamed", ignore="[CQ101, CQ201]")
    assert gate_changes(base, own) == [
        GateChange("digits", "model", "cpu_operators 0", None, weaker=True),
        GateChange("renamed", "cpu_operators", None, "9", weaker=False),
        GateChange("", "ignore", "CQ101", "CQ101, CQ201", weaker=True),
    ]
    assert removed_gates(base, own) == ["digits"]
    assert removed_gates(parsed(), own) == []


def test_gates_of_the_base_hold() -> None:
    base = parsed("{accuracy_drop: 1.0}", ignore="[CQ101]")
    own = parsed("{cpu_operators: 5}", images="data/easy", ignore="[CQ201]")
    held = with_gates_of(base, own)
    assert held.models[0].limits == base.models[0].limits
    assert held.models[0].evaluation == base.models[0].evaluation
    assert held.models[0].calibration == own.models[0].calibration
    assert held.ignore == ["CQ101"]
    new = parsed("{cpu_operators: 5}", name="other")
    assert with_gates_of(base, new).models == new.models


def test_every_limit_of_the_schema_is_a_gate() -> None:
    """A limit that is added later must not be forgotten here."""
    from coral_action.config.limits_schema import LimitsConfig

    whole = {"accuracy_drop": "1.0", "int8_size": "4096", "cpu_operators": "3"}
    assert set(whole) == set(LimitsConfig.model_fields)
    for name, value in whole.items():
        changes = gate_changes(parsed(f"{{{name}: {value}}}"), parsed())
        assert [change.gate for change in changes] == [name]


# --- the action, with a stand-in for GitHub -------------------------------------------------------


STRICT, LAX = config("{accuracy_drop: 1.0}"), config("{accuracy_drop: 5.0}")


@pytest.mark.parametrize(("policy", "holds"), [("head", 5.0), ("base", 1.0)])
def test_whose_limits_hold(job: Job, policy: str, holds: float) -> None:
    assert job.start(LAX, STRICT, policy=policy) == 0
    drop = job.seen[0].models[0].limits.accuracy_drop
    assert drop is not None
    assert drop.max == holds
    assert "This pull request changes limits" in job.comment
    assert "<code>digits</code>: accuracy drop 1 → 5 (weaker)" in job.comment
    assert ("those of the base branch hold" in job.comment) == (policy == "base")
    assert job.report["gates"] == {
        "policy": policy,
        "changes": [
            {
                "model": "digits",
                "gate": "accuracy_drop",
                "before": "1",
                "after": "5",
                "weaker": True,
            }
        ],
    }


def test_nothing_is_said_where_nothing_changes(job: Job) -> None:
    assert job.start(STRICT, STRICT, policy="base") == 0
    assert "changes limits" not in job.comment


def test_a_file_that_is_new_has_no_gates_yet(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    assert job.start(LAX, None, policy="base") == 0
    assert "main has no coral.yml" in capsys.readouterr().err


@pytest.mark.parametrize("code", [401, 403, 500])
@pytest.mark.parametrize("policy", ["head", "base"])
def test_base_that_cannot_be_asked(
    job: Job, code: int, policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    job.server.faults.append(Fault("GET", "/contents/", status(code), times=-1))
    assert job.start(LAX, STRICT, policy=policy) == (5 if policy == "base" else 0)
    assert (job.seen == []) == (policy == "base")
    if policy == "head":
        assert "changes of limits are not shown" in capsys.readouterr().err


def test_not_found_that_means_not_allowed(job: Job) -> None:
    """GitHub hides what a token may not read: this must not pass for a file that is new."""
    for path in ("/contents/", "/commits"):
        job.server.faults.append(Fault("GET", path, status(404), times=-1))
    assert job.start(LAX, STRICT, policy="base") == 5
    assert job.seen == []


@pytest.mark.parametrize(
    "base", ["not: a config", "x" * 1_200_000, "version: 1\nmodels: []\n", "\x00"]
)
def test_base_that_is_no_config(job: Job, base: str) -> None:
    assert job.start(LAX, base, policy="base") in (2, 5)
    assert job.seen == []


def test_model_that_is_gone_or_renamed(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    renamed = config("{accuracy_drop: 99}", name="renamed")
    assert job.start(renamed, STRICT, policy="base") == 2
    assert "digits has limits on main and is gone" in capsys.readouterr().err
    assert job.start(renamed, STRICT) == 0
    assert "the model is gone, and with it accuracy&#95;drop 1" in job.comment


@pytest.mark.parametrize("without", ["INPUT_TOKEN", "GITHUB_REPOSITORY"])
def test_base_without_anybody_to_ask(job: Job, without: str) -> None:
    del job.variables[without]
    assert job.start(LAX, STRICT, policy="base") == 2
    assert job.seen == []


def test_pull_request_that_is_not_found(job: Job) -> None:
    run = {
        "event": "push",
        "head_sha": "a" * 40,
        "head_branch": "topic",
        "head_repository": {"full_name": REPOSITORY, "owner": {"login": "octo"}},
    }
    job.payload = {"workflow_run": run, "repository": {"full_name": REPOSITORY}}
    job.variables |= {
        "GITHUB_EVENT_NAME": "workflow_run",
        "INPUT_ALLOW-UNTRUSTED-CHECKOUT": "true",
    }
    job.server.faults.append(Fault("GET", "/pulls", status(500), times=-1))
    assert job.start(LAX, STRICT, policy="base") == 2
    assert job.seen == []


def test_a_push_guards_nothing_but_itself(job: Job) -> None:
    job.payload = {"ref": "refs/heads/main"}
    job.variables["GITHUB_EVENT_NAME"] = "push"
    job.server.state.pulls.clear()
    assert job.start(LAX, STRICT, policy="base") == 0
    assert "gates" not in job.report


def test_config_in_a_folder(job: Job) -> None:
    """The path that GitHub is asked for is that in the repository."""
    (job.workspace / "sub").mkdir()
    (job.workspace / "sub" / "coral.yml").write_text(LAX)
    job.server.state.files["main", "sub/coral.yml"] = STRICT.encode()
    assert job.start(STRICT, None, policy="base", config="sub/coral.yml") == 0
    drop = job.seen[0].models[0].limits.accuracy_drop
    assert drop is not None
    assert drop.max == 1.0


def test_foreign_text_in_changes_is_inert() -> None:
    """Names of data folders come from the pull request."""
    nasty = (
        "data/<!-- coral-quantize --> @octocat ::error::x [a](https://evil.example) `x` |\x1b[2J"
    )
    quoted = json.dumps(nasty)
    limit = "{accuracy_drop: 1.0}"
    changes = gate_changes(parsed(limit), parsed(limit, images=quoted))
    data = {"policy": "head", "changes": [vars(change) for change in changes]}
    report = Report.from_data({"schema_version": 1, "tool": {}, "models": [], "gates": data})
    shown = markdown.render(report)
    for bad in ("<!--", "@octocat", "https://", "](", "\x1b", "`"):
        assert bad not in shown.replace("`report", ""), bad
    page = html.render(report)
    assert "<!-- coral" not in page
    assert "\x1b" not in terminal.render(report)
