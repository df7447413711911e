"""From coral.yml, and what is known of an earlier run, to the jobs of a matrix."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from coral_action.config.lines import ModelLines
from coral_action.config.paths import PathRules
from coral_action.config.schema import Config, ModelConfig
from coral_action.errors import CoralQuantizeError
from coral_action.provenance import config_hash, model_hash
from coral_action.report.model import ModelReport, Report
from coral_action.scale.balance import Bundle, Unit, share_out
from coral_action.scale.changes import same_source
from coral_action.scale.costs import Cost, cost_or_nothing
from coral_action.scale.plan_file import Job, Plan, PlannedModel


def make_plan(
    config: Config,
    paths: PathRules,
    *,
    baseline: Report | None = None,
    carried: Collection[str] = (),
    lines: dict[str, ModelLines] | None = None,
    config_file: str | None = None,
    max_jobs: int,
    shortest: float,
    make_once: bool = False,
) -> Plan:
    """Share the models of a coral.yml out over jobs.

    Args:
        config: coral.yml.
        paths: where its paths begin.
        baseline: an earlier report: its times, and which models changed since.
        carried: models whose results are taken from the baseline.
        lines: where models and limits stand in coral.yml.
        config_file: coral.yml as the repository knows it.
        max_jobs: how many jobs there may be.
        shortest: seconds that a job may take in any case (`balance.share_out`).
        make_once: shards take the model that a job before them made, and don't make it again.
    """
    before = {model.name: model for model in baseline.models} if baseline else {}
    to_do = [model for model in config.models if model.name not in carried]
    changed = {
        model.name: _changed(model, config, paths, before.get(model.name)) for model in to_do
    }
    costs = {m.name: cost_or_nothing(m, paths, before.get(m.name)) for m in to_do}
    bundles = share_out(_units(to_do, costs, changed), jobs=max_jobs, shortest=shortest)
    shards = {b.units[0].models[0]: b.count for b in bundles if b.count > 1}
    jobs, evaluate = _jobs(bundles, make_once=make_once)
    known = lines or {}
    models = []
    for model in config.models:
        cost, place = costs.get(model.name), known.get(model.name)
        models.append(
            PlannedModel(
                name=model.name,
                source=model.source,
                shards=shards.get(model.name, 1),
                carried_over=model.name in carried,
                changed=changed.get(model.name, False),
                seconds=round(cost.total, 1) if cost else 0.0,
                measured=cost.measured if cost else False,
                line=place.model if place else None,
                lines=place.limits if place else {},
            )
        )
    return Plan(
        config_sha256=config_hash(config),
        config_file=config_file,
        models=models,
        jobs=jobs,
        evaluate=evaluate,
    )


def _changed(
    model: ModelConfig, config: Config, paths: PathRules, before: ModelReport | None
) -> bool:
    """Whether its source or its part of coral.yml differs from the baseline's."""
    if before is None or before.config_sha256 != model_hash(model, config):
        return True
    try:
        return not same_source(model, before, paths)
    except CoralQuantizeError:
        return True


def _units(
    models: Sequence[ModelConfig], costs: dict[str, Cost], changed: dict[str, bool]
) -> list[Unit]:
    """Models one by one, and those that are compiled together in one."""
    groups: dict[str, list[ModelConfig]] = {}
    for model in models:
        groups.setdefault(model.edge_tpu.group or f"\0{model.name}", []).append(model)
    units = []
    for members in groups.values():
        own = [costs[member.name] for member in members]
        cost = Cost(
            sum(one.making for one in own),
            sum(one.evaluation for one in own),
            sum(one.samples for one in own),
            all(one.measured for one in own),
        )
        units.append(
            Unit(
                tuple(member.name for member in members),
                cost,
                divisible=len(members) == 1 and members[0].evaluation is not None,
                changed=any(changed[member.name] for member in members),
            )
        )
    return units


def _jobs(bundles: Sequence[Bundle], *, make_once: bool) -> tuple[list[Job], list[Job]]:
    """The jobs of the matrix, and of a second one that takes the models of the first."""
    jobs: list[Job] = []
    evaluate: list[Job] = []
    makers: dict[str, str] = {}
    for bundle in bundles:
        names = tuple(name for unit in bundle.units for name in unit.models)
        if bundle.count == 1:
            jobs.append(_job(len(jobs), names, "", bundle.seconds))
            continue
        making = bundle.units[0].cost.making
        if make_once and names[0] not in makers:
            jobs.append(_job(len(jobs), names, f"0/{bundle.count}", making))
            makers[names[0]] = jobs[-1].id
        target = evaluate if make_once else jobs
        shard, maker = f"{bundle.index}/{bundle.count}", makers.get(names[0], "")
        target.append(_job(len(target), names, shard, bundle.seconds, maker))
    return jobs, evaluate


def _job(place: int, names: Sequence[str], shard: str, seconds: float, maker: str = "") -> Job:
    title = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    arguments = [f"--model {name}" for name in names] + ([f"--shard {shard}"] if shard else [])
    return Job(
        id=f"{'e' if maker else 'm'}{place + 1:03}",
        name=f"{title} {shard}".strip(),
        model=" ".join(names),
        shard=shard,
        arguments=" ".join(arguments),
        seconds=round(seconds, 1),
        made_by=maker,
    )
