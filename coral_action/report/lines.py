"""The lines of coral.yml, put into a report."""

from __future__ import annotations

from collections.abc import Mapping

from coral_action.config.lines import ModelLines
from coral_action.report.model import ModelReport, Report


def with_lines(report: Report, config_file: str, lines: Mapping[str, ModelLines]) -> Report:
    """The report with each model and limit at its line.

    Args:
        report: from the pipeline.
        config_file: coral.yml as the repository knows it, such as `models/coral.yml`.
        lines: from `coral_action.config.lines.model_lines`.
    """
    models = [_model(model, lines.get(model.name)) for model in report.models]
    return report.model_copy(update={"config_file": config_file, "models": models})


def _model(model: ModelReport, lines: ModelLines | None) -> ModelReport:
    if lines is None:
        return model
    limits = [
        limit.model_copy(update={"line": lines.limits.get(limit.name, lines.model)})
        for limit in model.limits
    ]
    shard = model.shard and model.shard.model_copy(update={"lines": dict(lines.limits)})
    return model.model_copy(update={"line": lines.model, "limits": limits, "shard": shard})
