"""How work is shared out: everything once, not too many jobs, none much longer than need be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from coral_action.cli import cli
from coral_action.config.loader import load_config
from coral_action.config.paths import PathRules
from coral_action.console import Settings
from coral_action.provenance import model_hash, sha256_of
from coral_action.report.model import Report
from coral_action.scale import Plan, make_plan
from coral_action.scale.balance import Unit, shard_count, share_out
from coral_action.scale.costs import Cost, cost_of

from .jobs import TOOLS

seconds = st.floats(0.1, 3000)
units = st.lists(
    st.builds(
        lambda making, evaluation, samples, divisible, changed: (
            Cost(making, evaluation, samples, measured=True),
            divisible,
            changed,
        ),
        seconds,
        seconds,
        st.integers(1, 100_000),
        st.booleans(),
        st.booleans(),
    ),
    max_size=12,
).map(
    lambda items: [
        Unit((f"m{i}",), cost, divisible, changed)
        for i, (cost, divisible, changed) in enumerate(items)
    ]
)


def unit(name: str, making: float, evaluation: float, samples: int = 50_000) -> Unit:
    return Unit((name,), Cost(making, evaluation, samples, measured=True), True, True)


@given(units, st.integers(1, 60))
def test_every_part_of_every_model_is_in_one_job(work: list[Unit], jobs: int) -> None:
    bundles = share_out(work, jobs=jobs, shortest=120)
    assert len(bundles) <= jobs
    parts = sorted((m, b.index, b.count) for b in bundles for u in b.units for m in u.models)
    counts = {model: count for model, _, count in parts}
    wanted = sorted((m, i, n) for m, n in counts.items() for i in range(1, n + 1))
    assert parts == wanted
    assert set(counts) == {u.models[0] for u in work}
    assert all(u.divisible for b in bundles for u in b.units if b.count > 1)
    assert all(len(b.units) == 1 for b in bundles if b.count > 1)


@given(units, st.integers(1, 60))
def test_changed_models_come_first(work: list[Unit], jobs: int) -> None:
    changed = [any(u.changed for u in b.units) for b in share_out(work, jobs=jobs, shortest=120)]
    assert changed == sorted(changed, reverse=True)


@given(st.lists(st.floats(1, 500), min_size=1, max_size=30), st.integers(1, 8))
def test_no_job_is_much_longer_than_the_best_possible(costs: list[float], jobs: int) -> None:
    """The best is at least the longest model, and the mean over the jobs: twice that is enough."""
    work = [Unit((str(i),), Cost(c, 0, 0, True), False, True) for i, c in enumerate(costs)]
    bundles = share_out(work, jobs=jobs, shortest=1)
    best = max(max(costs), sum(costs) / jobs)
    assert max(bundle.seconds for bundle in bundles) <= 2 * best + 2


def test_small_models_share_a_job() -> None:
    work = [unit(str(i), 5, 5, 100) for i in range(12)]
    (bundle,) = share_out(work, jobs=20, shortest=120)
    assert bundle.seconds == pytest.approx(120)
    assert len(share_out(work, jobs=20, shortest=60)) == 2


def test_a_large_evaluation_is_cut() -> None:
    large, small = unit("large", 20, 1000), unit("small", 10, 20)
    bundles = share_out([small, large], jobs=20, shortest=120)
    # A job has 100 seconds beside the 20 in which it makes the model.
    assert [(b.index, b.count) for b in bundles[:10]] == [(i, 10) for i in range(1, 11)]
    assert bundles[0].seconds == pytest.approx(120)
    assert bundles[10].units == (small,)
    # With fewer jobs the shards are longer, and never more than samples are worth.
    assert len(share_out([small, large], jobs=5, shortest=120)) == 5
    assert shard_count(unit("few", 20, 1000, samples=700), 120) == 2
    assert shard_count(unit("slow", 100, 500), 120) == 5


def test_nothing_to_do() -> None:
    assert share_out([], jobs=3, shortest=120) == []


MODEL = """\
  - name: {name}
    source: {name}.keras
    calibration: {{images: calibration}}
    evaluation: {{images: test, labels: folders}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Three models, 1,000 images."""
    for name, size in (("a", 100), ("b", 2_000_000), ("c", 100)):
        (tmp_path / f"{name}.keras").write_bytes(b"k" * size)
    (tmp_path / "test" / "0").mkdir(parents=True)
    for number in range(1000):
        (tmp_path / "test" / "0" / f"{number}.png").touch()
    models = "".join(MODEL.format(name=name) for name in "abc")
    (tmp_path / "coral.yml").write_text(f"version: 1\nmodels:\n{models}")
    return tmp_path


def report_before(project: Path, **seconds: float) -> Report:
    """A report in which models took so long for 500 images."""
    config = load_config(project / "coral.yml")
    models = [
        {
            "name": model.name,
            "status": "ok",
            "source": {"path": model.source, "sha256": sha256_of(project / model.source)},
            "config_sha256": model_hash(model, config),
            "accuracy": {"samples": 500, "kernels": "xnnpack", "metrics": []},
            "seconds": {"evaluation": seconds[model.name], "total": seconds[model.name] + 10},
        }
        for model in config.models
        if model.name in seconds
    ]
    return Report.from_data({"schema_version": 1, "tool": TOOLS, "models": models})


def test_the_times_of_shards_and_of_a_cache(project: Path) -> None:
    """Each shard may have made the model, and what was kept took no time."""
    config, paths = load_config(project / "coral.yml"), PathRules(project)
    before = report_before(project, a=60.0).models[0]
    seconds = {"loading": 3.0, "quantization": 4.0, "evaluation": 60.0, "total": 60.0 + 10 * 8.0}
    merged = cost_of(config.models[0], paths, before.model_copy(update={"seconds": seconds}))
    assert merged.measured
    assert merged.making == 7
    kept = before.model_copy(update={"from_cache": ["loading", "quantization"]})
    assert not cost_of(config.models[0], paths, kept).measured


def test_costs_are_measured_or_estimated(project: Path) -> None:
    config, paths = load_config(project / "coral.yml"), PathRules(project)
    before = report_before(project, a=60.0).models[0]
    measured = cost_of(config.models[0], paths, before)
    # Twice as many images as then.
    assert measured == Cost(10.0, 120.0, 1000, measured=True)
    small, large, _ = (cost_of(model, paths, None) for model in config.models)
    assert small.samples == large.samples == 1000
    assert not large.measured
    assert large.evaluation > small.evaluation
    assert large.making > small.making


def plan_of(project: Path, **options) -> Plan:
    config = load_config(project / "coral.yml")
    given = {"max_jobs": 20, "shortest": 120.0, **options}
    return make_plan(config, PathRules(project), **given)


def test_changed_models_and_shards_in_a_plan(project: Path) -> None:
    before = report_before(project, a=10.0, b=150.0, c=10.0)
    (project / "c.keras").write_bytes(b"changed")
    plan = plan_of(project, baseline=before)
    assert [(m.name, m.changed, m.measured, m.shards) for m in plan.models] == [
        ("a", False, True, 1),
        ("b", False, True, 3),
        ("c", True, True, 1),
    ]
    assert plan.jobs[0].model.split() == ["a", "c"] or plan.jobs[0].model == "c"
    shards = [job for job in plan.jobs if job.shard]
    # 300 seconds of evaluation in jobs of 120, 10 of which make the model.
    assert [job.arguments for job in shards] == [f"--model b --shard {i}/3" for i in range(1, 4)]
    assert [job.name for job in shards] == [f"b {i}/3" for i in range(1, 4)]
    assert len({job.id for job in plan.jobs}) == len(plan.jobs)


def test_a_model_made_once(project: Path) -> None:
    before = report_before(project, a=10.0, b=150.0, c=10.0)
    plan = plan_of(project, baseline=before, make_once=True)
    (maker,) = [job for job in plan.jobs if job.shard]
    assert maker.arguments == "--model b --shard 0/3"
    assert [job.shard for job in plan.evaluate] == ["1/3", "2/3", "3/3"]
    assert {job.made_by for job in plan.evaluate} == {maker.id}
    assert not {job.id for job in plan.evaluate} & {job.id for job in plan.jobs}


def test_models_that_are_compiled_together_stay_together(project: Path) -> None:
    text = (project / "coral.yml").read_text()
    for name in "ab":
        text = text.replace(
            f"    source: {name}.keras\n",
            f"    source: {name}.keras\n    edge_tpu: {{group: pair}}\n",
        )
    (project / "coral.yml").write_text(text)
    plan = plan_of(project, baseline=report_before(project, a=900.0, b=900.0, c=900.0))
    (pair,) = [job for job in plan.jobs if "a" in job.model.split()]
    assert (pair.model, pair.shard) == ("a b", "")
    assert plan.models[2].shards > 1


def test_the_command_prints_a_matrix(project: Path, tmp_path: Path) -> None:
    outputs, path = tmp_path / "outputs", tmp_path / "plan.json"
    words = ["plan", "--config", str(project / "coral.yml"), "--output", str(path)]
    words += ["--min-seconds", "1", "--max-jobs", "3", "--github-output"]
    done = CliRunner(env={"GITHUB_OUTPUT": str(outputs)}).invoke(
        cli, words, obj=Settings(), standalone_mode=False
    )
    assert done.exception is None
    matrix = json.loads(done.stdout)
    assert 1 <= len(matrix["include"]) <= 3
    names = {name for job in matrix["include"] for name in job["model"].split()}
    assert names == {"a", "b", "c"}
    assert Plan.read(path).jobs[0].model_dump() == matrix["include"][0]
    text = outputs.read_text()
    assert text.startswith("matrix<<")
    assert f"\n{len(matrix['include'])}\n" in text
    assert Plan.read(path).models[1].line == 7
