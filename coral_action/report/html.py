"""The report as one self-contained HTML page: opens from disk, asks no network for anything.

Everything essential is there without a script; the script adds sorting and zooming. A content
security policy in the page allows that one script, by its hash, and nothing from elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from coral_action.report import gates, text
from coral_action.report.charts import histogram
from coral_action.report.foreign import message, prose
from coral_action.report.graph import svg
from coral_action.report.groups import on_cpu
from coral_action.report.model import ModelReport, Report
from coral_action.report.snippets import snippets_of

if TYPE_CHECKING:
    from jinja2 import Environment


# Characters of all pictures together: what 40 models of 300 operators leave of ten megabytes.
MAX_PICTURES = 2_000_000


def render(report: Report) -> str:
    """The whole page; every value is made visible and escaped by the template engine."""
    whole, report = report, _with_few_pictures(report)
    script = _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    compared = {m.name: m for m in report.baseline.models} if report.baseline else {}
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            report=report,
            without_pictures=[
                m.name
                for m, shown in zip(whole.models, report.models, strict=True)
                if m is not shown
            ],
            compared=compared,
            text=text,
            graph=svg,
            histogram=histogram,
            on_cpu=on_cpu,
            gates=gates,
            snippets_of=snippets_of,
            style=_markup(_asset("report.css")),
            script=_markup(script),
            script_hash=_markup(digest),
        )
    )


def prepare() -> None:
    """Read and compile the templates."""
    environment = _environment()
    for name in environment.list_templates(extensions=["jinja"]):
        environment.get_template(name)


def _with_few_pictures(report: Report) -> Report:
    """Without the pictures that would make the page too large, those of the last models first."""
    room = MAX_PICTURES
    models = []
    for model in report.models:
        taken = sum(map(len, _pictures(model)))
        models.append(model if taken <= room else _without_pictures(model))
        room -= taken if taken <= room else 0
    return report.model_copy(update={"models": models})


def _pictures(model: ModelReport) -> Iterator[str]:
    for data in (model.calibration, model.evaluation_data):
        if data and data.sheet:
            yield data.sheet
    flips = model.accuracy.flips if model.accuracy else None
    yield from (flip.thumbnail for flip in (flips.worst if flips else ()) if flip.thumbnail)


def _without_pictures(model: ModelReport) -> ModelReport:
    changed: dict[str, Any] = {
        name: data.model_copy(update={"sheet": None})
        for name in ("calibration", "evaluation_data")
        if (data := getattr(model, name))
    }
    if model.accuracy and model.accuracy.flips:
        worst = [f.model_copy(update={"thumbnail": None}) for f in model.accuracy.flips.worst]
        flips = model.accuracy.flips.model_copy(update={"worst": worst})
        changed["accuracy"] = model.accuracy.model_copy(update={"flips": flips})
    return model.model_copy(update=changed)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("coral_action.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["picture"] = _markup
    environment.filters["prose"] = _prose
    environment.filters["lines"] = _lines
    return environment


def _shown(value: Any) -> Any:
    """No control character or direction override gets into the page, whatever it comes from."""
    return message(value) if type(value) is str else value


def _prose(value: str) -> Any:
    """A sentence, with what stands between backticks as code."""
    from markupsafe import Markup

    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if is_code else piece
        for is_code, piece in prose(value)
    )


def _lines(value: str) -> Any:
    """Text of ours that keeps its lines."""
    from markupsafe import escape

    return escape(value)


def _markup(value: str) -> Any:
    """Text that goes in as it is: files of ours, and pictures, whose form the model has checked."""
    from markupsafe import Markup

    return Markup(value)  # noqa: S704


@cache
def _asset(name: str) -> str:
    return files("coral_action.report").joinpath("templates", name).read_text("utf-8").strip()
