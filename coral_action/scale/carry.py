"""Results of an earlier report that hold still, put into a newer one."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from coral_action.config.lines import model_lines
from coral_action.report.lines import with_lines
from coral_action.report.model import FileData, ModelReport, Report


def carried(model: ModelReport) -> ModelReport:
    """A model of the baseline, marked as such; its files are not here."""
    return model.model_copy(update={"carried_over": True, "files": FileData()})


def carry_over(report: Report, baseline: Report, names: Collection[str], config: Path) -> Report:
    """The report with these models of the baseline, all in the order of coral.yml."""
    if not names:
        return report
    found = {model.name: model for model in report.models}
    found |= {model.name: carried(model) for model in baseline.models if model.name in names}
    order = report.config.models if report.config else list(found)
    whole = report.model_copy(update={"models": [found[name] for name in order if name in found]})
    return with_lines(whole, report.config_file or config.name, model_lines(config))
