"""Our part of the release notes, between markers; the rest is not ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from coral_action.file_writing import replace_file
from coral_action.github.assets import is_temporary
from coral_action.report import text
from coral_action.report.escape import code
from coral_action.report.model import ModelReport, Report

NOTES_CHARACTERS = 120_000  # GitHub takes 125,000
REPORT_NAME = "coral-report.json"
SUMS_NAME = "SHA256SUMS"
# On a release that we made and that is to be published once all is there.
UNPUBLISHED = "<!-- coral-quantize:unpublished -->"
_BEGIN, _END = "<!-- coral-quantize:files -->", "<!-- /coral-quantize:files -->"
_OURS = re.compile(rf"\n*{re.escape(_BEGIN)}.*?(?:{re.escape(_END)}|\Z)\n*", re.DOTALL)


def report_copy(report: Path) -> Path:
    """A report under the name that it has in a release, beside where it is."""
    copy = report.with_name(REPORT_NAME)
    replace_file(copy, report.read_bytes())
    return copy


def with_table(notes: str, table: str) -> str:
    """The notes with our part put in, at its old place or at the end."""
    notes = notes.replace("\r\n", "\n")
    part = f"{_BEGIN}\n{table.strip()}\n{_END}"
    room = NOTES_CHARACTERS - len(_OURS.sub("", notes)) - len(_BEGIN) - len(_END)
    if len(table) > room:
        part = f"{_BEGIN}\nThe table is too long for these notes: see {REPORT_NAME}.\n{_END}"
    if not _OURS.search(notes):
        return f"{notes.rstrip()}\n\n{part}\n".lstrip("\n")
    return _OURS.sub(lambda match: f"\n\n{part}\n\n", notes, count=1).strip("\n") + "\n"


def files_table(report: Report | None, assets: Sequence[dict[str, Any]], base_url: str) -> str:
    """One row a model with links to its files, then links to all other files.

    `base_url` is where the assets of the tag are downloaded; GitHub's own links to the assets of a
    draft die when it is published.
    """
    sizes = {a["name"]: int(a["size"]) for a in assets if not is_temporary(a["name"])}
    named: set[str] = set()
    lines: list[str] = []
    for model in report.models if report else []:
        files = [name for name in _files_of(model) if name in sizes]
        if files:
            named.update(files)
            links = "<br>".join(_link(base_url, name, sizes[name]) for name in files)
            lines.append(f"| {code(model.name)} | {links} | {_figures(model)} |")
    if lines:
        lines = ["| Model | Files | |", "|---|---|---|", *lines, ""]
    others = [_link(base_url, name, sizes[name]) for name in sorted(sizes.keys() - named)]
    return "\n".join([*lines, ", ".join(others)])


def checksums(assets: Iterable[tuple[str, str]]) -> str:
    """The text of SHA256SUMS, for `sha256sum --check`, from names and digests in hex."""
    return "".join(
        f"{digest}  {name}\n"
        for name, digest in sorted(assets)
        if name != SUMS_NAME and not is_temporary(name)
    )


def _files_of(model: ModelReport) -> list[str]:
    paths = (model.files.int8, model.files.edgetpu)
    return [path.rsplit("/", 1)[-1] for path in paths if path]


def _figures(model: ModelReport) -> str:
    figures = []
    if model.placement:
        figures.append(f"{text.mapped(model.placement)} operators on the Edge TPU")
    if model.accuracy and model.accuracy.metrics:
        metric = model.accuracy.metrics[0]
        figures.append(f"{metric.name} {text.from_to(metric)}")
    return "<br>".join(figures)


def _link(base_url: str, name: str, size: int) -> str:
    return f"[{name}]({base_url}/{quote(name)}) ({text.size(size)})"
