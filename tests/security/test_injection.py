"""Foreign text that would be obeyed: by the runner that reads the log, by GitHub, by a terminal.

Every form of a workflow command, in every place where a name or a line from elsewhere is shown.
"""

from __future__ import annotations

import io
import json
import re
import sys
import unicodedata
from pathlib import Path
from typing import Any

import action_job
import pytest
from action_job import Job
from click.testing import CliRunner
from edgetpu.graphs import Graph
from fakes.github_state import TOKEN
from harness import Command
from hypothesis import given
from hypothesis import strategies as st

from coral_action.commands.report import report as report_command
from coral_action.commands.run import run as run_command
from coral_action.console import Settings, describe
from coral_action.errors import CompilerError, ModelError
from coral_action.github.runner import Runner
from coral_action.report import sarif, terminal
from coral_action.report.foreign import harmless, visible
from coral_action.report.formats import FORMATS
from coral_action.report.model import Report
from coral_action.report.notices import Notice

job = action_job.job  # the fixture

FORMS = (
    "::error::forged",
    "::error file=a,line=1::forged",
    "::set-output name=passed::true",
    "::set-env name=PATH::/evil",
    "::add-path::/evil",
    "::add-mask::a",
    "::stop-commands::x",
    "::save-state name=a::b",
    "::add-matcher::/evil.json",
    "::debug::x",
    "::echo::on",
    "::group::x",
    "##[error]forged",
    "##[add-mask]a",
    "##[command]x",
    "##vso[task.setvariable variable=a]b",
)
# What can stand before one, and be overlooked.
DISGUISES = (
    "",
    " \t ",
    "x\n",
    "x\r",
    "x\r\n",
    "\u00a0\u3000",
    "x\x0b",
    "x\x0c",
    "x\x1c",
    "x\x85",
    "x\u2028",
    "x\u2029",
    "\ufeff",
    "\u200b",
    "\u00ad",
    "\x1b[0m",
    "\x1b]8;;https://evil.example\x1b\\",
    "\x00",
    "x%0A",
    "x" * 100_000 + "\n",
)
ATTACKS = [disguise + form for disguise in DISGUISES for form in FORMS]
ALL = "\n".join(ATTACKS)
EVIL = "::error::forged\n##[add-mask]a\r\u200b::set-output name=passed::true\x1b[2J"


def obeyed(log: str) -> list[str]:
    """The commands that a runner may find in a log; it is read as unkindly as possible.

    `::name ...::` after blanks, `##[name` anywhere. The runner compares by the rules of a language,
    in which characters that don't show may not count (actions/runner, ActionCommand.TryParseV2).
    """
    found, stopped = [], ""
    for raw in re.split(r"[\r\n]", log):
        line = "".join(c for c in raw if c == "\t" or unicodedata.category(c) not in ("Cf", "Cc"))
        match = re.match(r"\s*::\s*([^\s:]+).*?::(.*)", line)
        if stopped:
            stopped = "" if match and match[1] == stopped else stopped
            continue
        if match and match[1] == "stop-commands":
            stopped = match[2]
        elif match:
            found.append(match[1])
        found += re.findall(r"##\[(\w+)", line)
    assert not stopped, "the log ends in the fence"
    return found


def steers(log: str) -> list[str]:
    """Characters that would move a cursor or hide text, but for the ends of lines."""
    return [c for c in log if unicodedata.category(c) in ("Cf", "Cc", "Cs") and c not in "\n\t"]


def runner() -> tuple[Runner, io.StringIO]:
    log = io.StringIO()
    return Runner({"GITHUB_ACTIONS": "true"}, log), log


def test_the_attacks_are_attacks() -> None:
    """Said as they are, most of them are obeyed; else this file would test nothing."""
    assert len(obeyed("\n".join(a for a in ATTACKS if "stop-commands" not in a))) > 150


@pytest.mark.parametrize("form", FORMS)
def test_no_form_is_obeyed_in_the_log(form: str) -> None:
    speaker, log = runner()
    for disguise in DISGUISES:
        speaker.say(disguise + form)
        speaker.annotate([Notice("notice", disguise + form, disguise + form, title=form)])
        with speaker.group(disguise + form):
            pass
    ours = ["notice", "group", "endgroup"]
    found = obeyed(log.getvalue())
    assert set(found) == set(ours)
    assert found.count("group") == len(DISGUISES)
    assert steers(log.getvalue()) == []


@given(st.text(alphabet=st.sampled_from(list(":#[]ab \t\r\n%\x85\u2028\u200b\ufeff\x1b\x00"))))
def test_no_mixture_is_obeyed(text: str) -> None:
    speaker, log = runner()
    speaker.say(text)
    speaker.say(describe(ModelError(text, hint=text, details=text), debug=True, name=text))
    assert obeyed(log.getvalue()) == []
    assert steers(log.getvalue()) == []


def test_a_line_without_end_is_cut() -> None:
    speaker, log = runner()
    speaker.say("x" * 1_000_000)
    assert len(log.getvalue()) < 20_000


def test_a_mask_is_to_the_letter() -> None:
    """What is masked must be what is shown, whatever is in it."""
    speaker, log = runner()
    speaker.mask("a%b##[c\u200b")
    assert log.getvalue() == "::add-mask::a%25b##[c\u200b\n"


def test_errors_of_commands_are_no_commands() -> None:
    error = CompilerError(ALL, hint=ALL, details=ALL)
    shown = describe(error, debug=True, name="::error::x")
    assert obeyed(shown) == []
    assert steers(shown) == []


# --- the whole action -----------------------------------------------------------------------------


def nasty_report(text: str) -> Report:
    """Every field that takes foreign text, filled with it."""
    finding = {
        "id": "CQ201",
        "severity": "warning",
        "message": text,
        "advice": text,
        "file": text,
        "line": 3,
        "operator": text,
        "tensor": text,
        "sample": text,
    }
    operator = {"index": 0, "name": text, "target": "cpu", "reason": text, "advice": text}
    model = {
        "name": text,
        "status": "failed",
        "error": {"kind": "compiler", "message": text, "hint": text},
        "source": {"path": text, "format": text},
        "placement": {
            "origin": "compiler",
            "edge_tpu": 0,
            "cpu": 1,
            "subgraphs": 0,
            "operators": [{**operator, "tensor": text}],
        },
        "findings": [finding],
    }
    gate = {"model": text, "gate": text, "before": text, "after": text, "weaker": True}
    gates = {"policy": "head", "changes": [gate]}
    return Report.from_data(
        {"schema_version": 1, "tool": {text: text}, "models": [model], "gates": gates}
    )


MARKERS = (
    "<!-- coral-quantize:comment key=default -->",
    '<!-- coral-quantize:section {"id": "x"} -->',
    "<!-- coral-quantize:end -->",
    "@octocat @org/team #1 GH-7",
    "coral_" + "0" * 32,
)
GOOD = "version: 1\nmodels: [{name: digits, source: m, calibration: {npy: x.npy}}]\n"


@pytest.mark.parametrize("debug", ["0", "1"])
def test_nothing_is_obeyed_after_a_whole_run(
    job: Job, debug: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{EVIL}\npassed=true\nEOF\n{' '.join(MARKERS)}"
    job.result = nasty_report(text)
    job.errors = {text: CompilerError(text, hint=text, details=ALL)}
    job.variables |= {"RUNNER_DEBUG": debug}
    assert job.start(GOOD, GOOD, checks="true") == 4
    log = capsys.readouterr()
    assert set(obeyed(log.err)) <= {"error", "warning", "notice"}
    assert obeyed(log.out) == []
    assert steers(log.err + log.out) == []
    assert TOKEN not in log.err + log.out
    # The file of outputs, read as the runner reads it: names and values are ours.
    lines = iter((job.workspace.parent / "output").read_text().split("\n"))
    outputs = {}
    for line in filter(None, lines):
        name, _, delimiter = line.partition("<<")
        assert re.fullmatch(r"coral_[0-9a-f]{32}", delimiter)
        outputs[name] = "\n".join(iter(lambda: next(lines), delimiter))
    assert outputs["passed"] == "false"
    assert "PATH" not in outputs
    # One section, one comment: no marker of ours was forged.
    assert job.comment.count("<!-- coral-quantize:comment") == 1
    assert job.comment.count("<!-- coral-quantize:section") == 1
    assert job.comment.count("<!-- coral-quantize:end -->") == 1
    summary = (job.workspace.parent / "summary").read_text()
    for place in (job.comment, summary):
        for forged in (*MARKERS[1:2], "@octocat", "@org", "\x1b"):
            assert forged not in place
    (check,) = job.server.state.checks.values()
    for note in check["annotations"]:
        assert ".." not in note["path"]
        assert not note["path"].startswith("/")
    # The next run still finds its comment, and says the same.
    assert job.start(GOOD, GOOD) == 4
    assert len(job.server.state.comments) == 1


@pytest.mark.parametrize(
    "file",
    ["/etc/passwd", "../../x", "https://evil.example/x", "a%2F..%2Fb", "C:\\x", "::", "a\nb"],
)
def test_paths_in_sarif_stay_inside(file: str) -> None:
    log = json.loads(sarif.render(nasty_report(file)))
    for result in log["runs"][0]["results"]:
        for location in result["locations"]:
            uri = location["physicalLocation"]["artifactLocation"]["uri"]
            assert re.fullmatch(r"[A-Za-z0-9._~%-]+(/[A-Za-z0-9._~%-]+)*", uri), uri
            assert ".." not in uri.split("/")


def test_report_on_a_narrow_terminal_begins_no_line_with_foreign_text() -> None:
    """Where lines are broken, the second half would begin a line of the log."""
    for width in range(60, 130, 5):
        padded = f"{'x' * width} ::error::forged ##[error]x"
        assert obeyed(terminal.render(nasty_report(padded))) == []
        assert "\n::" not in terminal.render(nasty_report(padded)).replace(" ", "")


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "annotations"])
def test_printed_reports(kind: str, tmp_path: Path) -> None:
    """`report FILE --format ...` without --output, in a step of a workflow."""
    path = tmp_path / "report.json"
    path.write_text(json.dumps(nasty_report(EVIL).to_json()))
    shown = CliRunner().invoke(report_command, [str(path), "--format", kind])
    assert shown.exit_code == 0, shown.output
    assert obeyed(shown.stdout) == []
    if kind == "json":
        assert Report.from_data(json.loads(shown.stdout)) == nasty_report(EVIL)


def test_printed_result_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run --json`, in a step of a workflow."""
    (tmp_path / "coral.yml").write_text(
        "version: 1\nmodels:\n  - {name: a, source: m, calibration: {images: c}}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("coral_action.pipeline.run", lambda *_: (nasty_report(EVIL), {}))
    (tmp_path / "coral-output").mkdir()
    words = ["--compiler", "none", "--json", "--no-cache"]
    shown = CliRunner().invoke(run_command, words, obj=Settings(debug=False))
    assert shown.output, shown.exception
    assert obeyed(shown.stdout) == []
    assert Report.from_data(json.loads(shown.stdout)) == nasty_report(EVIL)


def test_no_format_character_is_let_through() -> None:
    """All that does not show, by what Unicode says of it."""
    kinds = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    hidden = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) in kinds]
    assert [c for c in hidden if c != "\t" and c in harmless(f"a{c}b")] == []
    assert [c for c in hidden if c in visible(f"a{c}b")] == []


# --- commands, as processes, on files with such names ---------------------------------------------


@pytest.fixture
def nasty_model(tmp_path: Path) -> Path:
    """A model whose tensors, operators and file are called like commands."""
    graph = Graph()
    first = graph.input(EVIL, (1, 8))
    middle = graph.tensor(f"{EVIL}\n1", (1, 8))
    last = graph.tensor(f"{EVIL}\n2", (1, 8))
    graph.operator("LEAKY_RELU", [first], [middle])
    graph.operator("RELU", [middle], [last])
    graph.model.operatorCodes[0].builtinCode = 32  # CUSTOM
    graph.model.operatorCodes[0].deprecatedBuiltinCode = 32
    graph.model.operatorCodes[0].customCode = EVIL
    graph.graph.outputs = [last]
    from coral_action.tflite import pack

    path = tmp_path / "::error::forged\n::add-mask::a ##[error]x.tflite"
    path.write_bytes(pack(graph.model))
    return path


@pytest.mark.parametrize("words", [["check"], ["check", "--json"], ["inspect"]])
def test_commands_on_a_nasty_model(command: Command, nasty_model: Path, words: list[str]) -> None:
    finished = command(*words, nasty_model, GITHUB_ACTIONS="true")
    said = finished.stdout + finished.stderr
    assert finished.code == 0, said
    assert obeyed(said) == []
    assert steers(said) == []
    if "--json" in words:
        assert EVIL in json.dumps(json.loads(finished.stdout), ensure_ascii=False).replace(
            "\\n", "\n"
        ).replace("\\r", "\r").replace("\\u001b", "\x1b")


FAKE_COMPILER = """#!{python}
import sys
if "--version" in sys.argv:
    print("Edge TPU Compiler version 16.0.384591198")
    sys.exit(0)
sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
print({evil!r})
sys.exit(1)
"""


def test_output_of_the_compiler(command: Command, nasty_model: Path, tmp_path: Path) -> None:
    compiler = tmp_path / "edgetpu_compiler"
    compiler.write_text(FAKE_COMPILER.format(python=sys.executable, evil=ALL[:60_000]))
    compiler.chmod(0o755)
    model = tmp_path / "plain.tflite"
    model.write_bytes(nasty_model.read_bytes())
    words: tuple[Any, ...] = ("--debug", "compile", model, "--compiler", compiler)
    finished = command(*words, GITHUB_ACTIONS="true")
    assert finished.code == 4, finished.stderr
    assert obeyed(finished.stdout + finished.stderr) == []
    assert steers(finished.stdout + finished.stderr) == []
    assert "forged" in finished.stderr  # it is shown, after all


def test_errors_with_nasty_names(command: Command, tmp_path: Path) -> None:
    """A missing file, a bad config, a bad option: each names what it is about."""
    (tmp_path / "coral.yml").write_text(f"{json.dumps(EVIL)}: 1\nversion: {json.dumps(EVIL)}\n")
    for words in (
        ["check", EVIL.replace("\x00", "")],
        ["run", "--config", EVIL],
        ["run", "--config", "coral.yml"],
        ["report", EVIL],
        ["run", "--jobs", EVIL],
        [EVIL],
    ):
        finished = command(*words, cwd=tmp_path, GITHUB_ACTIONS="true")
        assert finished.code == 2 or words[0] == "check"
        assert obeyed(finished.stdout + finished.stderr) == [], words
        assert steers(finished.stdout + finished.stderr) == [], words
