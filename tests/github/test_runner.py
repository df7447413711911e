"""What reaches the runner, and what of it could be taken for something else."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_action.errors import UsageError
from coral_action.github.runner import Runner, harmless
from coral_action.report.notices import Notice, notices_of

from .reports import a_model, a_report

THERE = {"GITHUB_ACTIONS": "true"}


def commands(log: str) -> list[str]:
    """The commands that the runner finds: `::name` after blanks, `##[name` anywhere in a line."""
    found, stopped = [], ""
    for line in re.split(r"[\r\n]", log):
        match = re.match(r"\s*::([^\s:]+)", line)
        if stopped:
            stopped = "" if match and match[1] == stopped else stopped
        elif match and match[1] == "stop-commands":
            stopped = line.rsplit("::", 1)[1]
        elif match:
            found.append(match[1])
        found += re.findall(r"##\[(\w+)", line)
    assert not stopped
    return found


def speak(**environment: str) -> tuple[Runner, io.StringIO]:
    log = io.StringIO()
    return Runner({**THERE, **environment}, log), log


@given(st.text())
def test_no_value_passes_for_another_output(value: str) -> None:
    """Read as the runner reads it: NAME<<DELIMITER, lines, DELIMITER."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "output"
        value = f"x\npassed=true\nEOF\n{value}".encode(errors="replace").decode()
        runner, _ = speak(GITHUB_OUTPUT=str(path))
        runner.write_outputs({"a": value, "b": "2"})
        lines = path.read_bytes().decode().split("\n")
    name, _, delimiter = lines[0].partition("<<")
    end = lines.index(delimiter, 1)
    assert (name, "\n".join(lines[1:end])) == ("a", value)
    assert lines[end + 1].startswith("b<<")
    assert lines[end + 2] == "2"


def test_disk_full_on_outputs() -> None:
    """A real device that is always full."""
    runner, _ = speak(GITHUB_OUTPUT="/dev/full", GITHUB_STEP_SUMMARY="/dev/full")
    with pytest.raises(UsageError, match=r"\$GITHUB_OUTPUT: .*No space left") as caught:
        runner.write_outputs({"a": "b"})
    assert "disk full" in caught.value.hint
    with pytest.raises(UsageError, match="No space left"):
        runner.write_summary("text")


def test_half_written_outputs_are_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "output"
    path.write_text("earlier=1\n")
    really, left = os.write, [5]

    def write(descriptor: int, data: bytes) -> int:
        if not left:
            raise OSError(28, "No space left on device")
        return really(descriptor, data[: left.pop()])

    monkeypatch.setattr(os, "write", write)
    runner, _ = speak(GITHUB_OUTPUT=str(path))
    with pytest.raises(UsageError):
        runner.write_outputs({"a": "b" * 100})
    assert path.read_text() == "earlier=1\n"


def test_annotations_at_most_ten_of_a_level() -> None:
    runner, log = speak()
    runner.annotate(Notice("error", f"error {n}", "coral.yml", n + 1) for n in range(15))
    runner.annotate(Notice("warning", "x" * 5000, "a,b:c.yml") for _ in range(3))
    runner.annotate([Notice("error", "one more", "")])
    lines = log.getvalue().splitlines()
    assert commands(log.getvalue()) == ["error"] * 10 + ["warning"] * 3
    assert lines[0] == "::error file=coral.yml,line=1,title=coral-quantize::error 0"
    assert lines[10].startswith("::warning file=a%2Cb%3Ac.yml,line=1,title=coral-quantize::xxx")
    assert len(lines[10]) < 4_096 + 100


def test_most_useful_annotations_first() -> None:
    """Errors, then limits, then warnings; and no model crowds out another."""
    finding = {"id": "CQ201", "severity": "warning", "message": "seen", "file": "a.yml", "line": 7}
    limit = {"name": "cpu_operators", "limit": 0, "value": 3, "passed": False}
    noisy = a_model("noisy", findings=[{**finding, "message": f"m{n}"} for n in range(20)])
    quiet = a_model("quiet", findings=[finding], limits=[limit], status="limit_exceeded")
    failed = a_model(
        "failed",
        status="failed",
        error={"kind": "model", "message": "can't be read", "hint": "look at it"},
        findings=[{**finding, "severity": "info", "file": "/etc/passwd"}],
    )
    notices = notices_of(a_report(noisy, quiet, failed), "sub/coral.yml")
    # Each model also has a warning of its operators on the CPU, last of all of its warnings.
    assert [n.level for n in notices] == ["error"] * 2 + ["warning"] * 24 + ["notice"]
    assert notices[0].message == ("quiet: 3 operators on the CPU, the limit is 0")
    assert notices[1].message == "failed: can't be read\nlook at it"
    turns = [n.message.split(":")[0] for n in notices[2:8]]
    assert turns == ["noisy", "quiet", "failed", "noisy", "quiet", "noisy"]
    assert (notices[2].file, notices[2].line) == ("a.yml", 7)
    assert notices[2].title == "coral-quantize CQ201"
    assert notices[-1].file == "sub/coral.yml"  # what is outside of the repository has no line


@given(st.text(alphabet=st.sampled_from(list(":#[]a \t\r\n%,\x85\u2028")), max_size=40))
def test_foreign_text_is_no_command(text: str) -> None:
    runner, log = speak()
    runner.say(f"{text}\n::error::forged\n  ::set-output name=x::y\na ##[group]b\n##[error]c")
    runner.annotate([Notice("notice", f"{text}\n::error::forged ##[error]", text, title=text)])
    with runner.group(f"{text}\n::error::x ##[error]"):
        pass
    assert commands(log.getvalue()) == ["notice", "group", "endgroup"]


def test_fence_around_foreign_output() -> None:
    runner, log = speak()
    with pytest.raises(ValueError, match="x"), runner.foreign_output():
        log.write("::error::forged by a tool\n::add-mask::a\n")
        raise ValueError("x")
    runner.annotate([Notice("notice", "after", "")])
    assert commands(log.getvalue()) == ["notice"]
    with runner.foreign_output():
        pass
    tokens = re.findall(r"::stop-commands::(\w+)", log.getvalue())
    assert len(set(tokens)) == 2
    assert min(map(len, tokens)) >= 32


def test_mask() -> None:
    runner, log = speak()
    runner.mask("one\n\ntwo%")
    assert log.getvalue() == "::add-mask::one\n::add-mask::two%25\n"


def test_outside_of_a_runner_nothing_happens(tmp_path: Path) -> None:
    log = io.StringIO()
    runner = Runner({}, log)
    with runner.group("x"), runner.foreign_output():
        runner.mask("x")
        runner.annotate([Notice("error", "x", "")])
        runner.write_outputs({"a": "b"})
        runner.write_summary("x")
    assert log.getvalue() == ""
    runner.say("::people read this")
    assert log.getvalue() == "::people read this\n"


def test_harmless_keeps_what_is_harmless() -> None:
    assert harmless("a::b: c # [d]") == "a::b: c # [d]"
