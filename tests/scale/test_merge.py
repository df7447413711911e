"""Partial reports joined: what is whole, and what is wrong and how it is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from coral_action.cli import cli
from coral_action.console import Settings
from coral_action.errors import CoralQuantizeError, UsageError
from coral_action.evaluation import score
from coral_action.report.model import Report
from coral_action.scale import Plan, merge, read_partials

from . import jobs
from .jobs import CASE, failed, model, shard, write

Joined = tuple[Report, dict[str, CoralQuantizeError]]


def joined(
    output: Path, *folders: Path, plan: Path | None = None, baseline: Path | None = None
) -> Joined:
    output.mkdir()
    return merge(
        read_partials(folders),
        output,
        plan=Plan.read(plan) if plan else None,
        baseline=Report.read(baseline / "report.json") if baseline else None,
    )


def sharded(folder: Path, *texts: str, **options: Any) -> list[Path]:
    """One job for each shard of model a."""
    places = [folder / f"job{i}" for i in range(len(texts))]
    return [
        write(place, shard("a", place, text, **options))
        for place, text in zip(places, texts, strict=True)
    ]


def test_models_come_in_the_order_of_the_config(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    write(first, model("c", first), model("a", first))
    write(second, model("b", second, b"other"), created="2026-11-23T12:30:00Z")
    report, errors = joined(tmp_path / "out", second, first)
    assert errors == {}
    assert [m.name for m in report.models] == ["a", "b", "c"]
    assert report.created == "2026-11-23T12:30:00Z"
    assert (report.passed, report.exit_code) == (True, 0)
    # The files lie beside the report now, and it says so.
    assert report.models[1].files.int8 == (tmp_path / "out" / "b_int8.tflite").as_posix()
    assert (tmp_path / "out" / "b_int8.tflite").read_bytes() == b"other"


def test_all_segments_of_a_model_are_kept(tmp_path: Path) -> None:
    job = tmp_path / "1"
    write(job, model("a", job), failed("b"))
    segments = [f"a_int8_segment_{i}_of_2_edgetpu.tflite" for i in range(2)]
    for name in (*segments, "b_int8.tflite"):
        (job / name).write_bytes(b"x")
    joined(tmp_path / "out", job)
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert made == sorted(["a_int8.tflite", *segments])


@pytest.mark.parametrize("texts", [("1/1",), ("2/3", "1/3", "3/3"), ("0/2", "2/2", "1/2")])
def test_shards_are_scored_as_one_run(texts: tuple[str, ...], tmp_path: Path) -> None:
    report, errors = joined(tmp_path / "out", *sharded(tmp_path, *texts))
    assert errors == {}
    (merged,) = report.models
    wanted = score(CASE.scoring, CASE.part(range(CASE.count)))
    assert merged.accuracy is not None
    assert merged.accuracy.samples == CASE.count
    for found, metric in zip(merged.accuracy.metrics, wanted.metrics, strict=True):
        assert (found.name, found.float_value, found.int8_value, found.interval) == (
            metric.name,
            metric.float_value,
            metric.int8_value,
            metric.interval,
        )
        assert found.p_value == metric.p_value
    # Limits are checked for the whole: with 90 % confidence, by the lower end of the interval.
    limits = {limit.name: limit for limit in merged.limits}
    assert wanted.metrics[0].interval is not None
    assert limits["accuracy_drop"].value == wanted.metrics[0].interval[0]
    assert limits["accuracy_drop"].passed is (wanted.metrics[0].interval[0] <= 1.0)
    assert limits["accuracy_drop"].line == 11
    assert merged.status == ("ok" if limits["accuracy_drop"].passed else "limit_exceeded")
    assert merged.shard is None
    # The model was made once or three times, but its samples were run once.
    assert merged.seconds == {
        "loading": 1.0,
        "evaluation": 2.0 * len(texts),
        "total": 4.0 * len(texts),
    }


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("1/3", "3/3"), "shard 2/3 missing"),
        (("2/4",), "shards 1/4, 3/4, 4/4 missing"),
        (("0/2",), "shards 1/2, 2/2 missing"),
        (("1/2", "2/2", "1/2"), "shard 1/2 is there 2 times: .*job0/report.json, .*job2/report"),
        (("1/2", "2/3"), r"shards of different splits: 1/2 \(.*job0.*\), 2/3 \(.*job1"),
    ],
)
def test_a_missing_or_doubled_shard_is_named(
    texts: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    """It fails the model, and no other."""
    other = tmp_path / "other"
    write(other, model("b", other))
    report, errors = joined(tmp_path / "out", *sharded(tmp_path, *texts), other)
    assert [m.status for m in report.models] == ["failed", "ok"]
    with pytest.raises(CoralQuantizeError, match=message):
        raise errors["a"]
    assert report.models[0].error is not None
    assert report.models[0].error.message == errors["a"].message
    assert report.exit_code == 3
    assert not (tmp_path / "out" / "a_int8.tflite").exists()


def test_shards_of_different_int8_models(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    write(first, shard("a", first, "1/2"))
    write(second, shard("a", second, "2/2", int8=b"another"))
    report, errors = joined(tmp_path / "out", first, second)
    assert "shard 2/2" in errors["a"].message and "another int8 model" in errors["a"].message
    assert "--quantized" in errors["a"].hint
    assert report.exit_code == 3


def test_shards_of_different_data(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    write(first, shard("a", first, "1/2"))
    write(second, shard("a", second, "2/2", case=jobs.MadeUp("score", 20, 3)))
    _, errors = joined(tmp_path / "out", first, second)
    assert "different metrics" in errors["a"].message


def test_a_shard_that_failed_tells_why(tmp_path: Path) -> None:
    good = sharded(tmp_path, "1/2")
    bad = write(tmp_path / "bad", failed("a", "2/2", "x.png can't be decoded"))
    report, errors = joined(tmp_path / "out", *good, bad)
    assert errors["a"].message == "shard 2/2: x.png can't be decoded"
    assert report.models[0].error is not None
    assert (report.models[0].error.kind, report.models[0].error.hint) == ("data", "look")


@pytest.mark.parametrize("damage", ["gone", "changed", "link"])
def test_a_file_that_is_not_what_the_job_wrote(damage: str, tmp_path: Path) -> None:
    first, second = sharded(tmp_path, "1/2", "2/2")
    file = second / "a.shard-2-of-2.npz"
    data = file.read_bytes()
    file.unlink()
    if damage == "changed":
        file.write_bytes(data + b"x")
    elif damage == "link":
        (tmp_path / "elsewhere").write_bytes(data)
        file.symlink_to(tmp_path / "elsewhere")
    _, errors = joined(tmp_path / "out", first, second)
    assert "shard 2/2" in errors["a"].message and "a.shard-2-of-2.npz" in errors["a"].message


def test_names_of_files_lead_nowhere_else(tmp_path: Path) -> None:
    """A report is a stranger's: only what lies beside it is taken."""
    (tmp_path / "secret").write_text("secret")
    job = tmp_path / "job"
    write(job, model("a", job, files={"int8": "../secret", "edgetpu": str(tmp_path / "secret")}))
    report, _ = joined(tmp_path / "out", job)
    assert report.models[0].files.int8 is None
    assert report.models[0].files.edgetpu is None
    # The model's own file is taken by its name, whatever the report calls it.
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_int8.tflite"]


def test_a_model_that_is_there_twice(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    write(first, model("a", first))
    write(second, model("a", second))
    _, errors = joined(tmp_path / "out", first, second)
    assert "it is there 2 times" in errors["a"].message
    assert str(second / "report.json") in errors["a"].message


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"tool": {**jobs.TOOLS, "tensorflow": "2.20.0"}},
            "2/report.json was made with tensorflow 2.20.0, .* 2.21.0",
        ),
        ({"config": {"sha256": "d" * 64, "models": ["a"]}}, "different coral.yml"),
        ({"config": None}, "does not say which coral.yml"),
    ],
)
def test_reports_that_do_not_belong_together(
    more: dict[str, Any], message: str, tmp_path: Path
) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    write(first, model("a", first))
    write(second, model("b", second), **more)
    with pytest.raises(UsageError, match=message):
        joined(tmp_path / "out", first, second)


def test_a_job_that_died_is_a_failed_model(tmp_path: Path) -> None:
    """With the plan, nothing can get lost."""
    job = tmp_path / "1"
    write(job, model("b", job))
    planned = [{"name": n, "source": f"models/{n}", "line": 5, "lines": {}} for n in "ab"]
    plan = jobs.plan(tmp_path / "plan.json", *planned)
    report, errors = joined(tmp_path / "out", job, plan=plan)
    assert [(m.name, m.status, m.source.path) for m in report.models] == [
        ("a", "failed", "models/a"),
        ("b", "ok", "b"),
    ]
    assert errors["a"].message == "its job left no report"
    assert report.models[0].line == 5
    assert (report.exit_code, report.passed) == (3, False)


def test_a_plan_of_another_split_or_config(tmp_path: Path) -> None:
    parts = sharded(tmp_path, "1/2", "2/2")
    plan = jobs.plan(tmp_path / "plan.json", {"name": "a", "source": "a", "shards": 3})
    _, errors = joined(tmp_path / "out", *parts, plan=plan)
    assert errors["a"].message == "it is in 2 shards, but 3 were planned"
    other = jobs.plan(tmp_path / "plan.json", {"name": "a", "source": "a"})
    other.write_text(other.read_text().replace("cccc", "dddd"))
    with pytest.raises(UsageError, match=r"the plan are of different coral\.yml"):
        joined(tmp_path / "out2", *parts, plan=other)


def test_unchanged_models_come_from_the_baseline(tmp_path: Path) -> None:
    job, before = tmp_path / "1", tmp_path / "before"
    write(job, model("b", job))
    write(before, model("a", before), model("b", before))
    planned = [{"name": n, "source": n, "carried_over": n != "b", "line": 7} for n in "abc"]
    plan = jobs.plan(tmp_path / "plan.json", *planned)
    report, errors = joined(tmp_path / "out", job, plan=plan, baseline=before)
    first, second, third = report.models
    assert (first.name, first.status, first.carried_over, first.line) == ("a", "ok", True, 7)
    assert first.files.int8 is None
    assert second.carried_over is None
    assert third.status == "failed"
    assert "the baseline does not have it" in errors["c"].message
    # Nothing to do at all is well, too.
    all_carried = jobs.plan(
        tmp_path / "p2.json", {"name": "a", "source": "a", "carried_over": True}
    )
    report, errors = joined(tmp_path / "out2", plan=all_carried, baseline=before)
    assert (errors, report.exit_code, report.models[0].carried_over) == ({}, 0, True)


def test_the_command_writes_all_reports(tmp_path: Path) -> None:
    parts = sharded(tmp_path, "1/2", "2/2")
    words = ["merge", *map(str, parts), "--output", str(tmp_path / "out")]
    done = CliRunner().invoke(cli, words, obj=Settings(), standalone_mode=False)
    assert done.exception is None
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert done.return_value == Report.from_data(report).exit_code
    assert report["models"][0]["accuracy"]["samples"] == CASE.count
    for name in ("report.md", "report.html"):
        assert "top1" in (tmp_path / "out" / name).read_text()
    assert "top1" in done.output


def test_quiet_says_why_the_exit_code_is_not_0(tmp_path: Path) -> None:
    above = {"name": "int8_size", "limit": 2048, "value": 9216, "passed": False}
    job = tmp_path / "job"
    write(job, model("a", job, status="limit_exceeded", limits=[above]), failed("b"))
    words = ["merge", str(job), "--output", str(tmp_path / "out"), "--quiet"]
    done = CliRunner().invoke(cli, words, obj=Settings(), standalone_mode=False)
    assert done.return_value == 3
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error: b: no such file",
        "error: a: int8 size is 9.0 KiB, the limit is 2.0 KiB",
    ]


def test_an_error_keeps_its_section_of_the_troubleshooting(tmp_path: Path) -> None:
    places = sharded(tmp_path, "1/2")
    gone = failed("a", "2/2")
    gone["error"]["topic"] = "no-such-file"
    report, _ = joined(tmp_path / "out", *places, write(tmp_path / "gone", gone))
    error = report.models[0].error
    assert error is not None
    assert error.topic == "no-such-file"


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "no report"), ("[]", "no report"), ('{"schema_version": 1}', "no report: tool")],
)
def test_what_is_no_report(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(UsageError, match=message):
        read_partials([tmp_path])
    with pytest.raises(UsageError, match="no plan"):
        Plan.read(tmp_path / "report.json")


def test_reports_by_file_folder_or_folder_of_folders(tmp_path: Path) -> None:
    places = sharded(tmp_path / "parts", "1/2", "2/2")
    wanted = [place / "report.json" for place in places]
    for given in ([tmp_path / "parts"], places, wanted):
        assert [partial.path for partial in read_partials(given)] == wanted
    (tmp_path / "empty").mkdir()
    assert read_partials([tmp_path / "empty"]) == []


def test_nothing_to_merge(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no report to merge"):
        joined(tmp_path / "out")
