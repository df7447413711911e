"""The text of the comment: hidden markers, and one section for each job. Pure functions.

    <!-- coral-quantize:comment key=default -->
    <!-- coral-quantize:section {"id": ..., "workflow": ..., "run": ...} -->
    the report of one job
    <sub>which commit, which run</sub>
    <!-- coral-quantize:end -->

The first marker counts only at the very beginning of a comment, so that nobody's quotation of it
is taken for a comment of ours.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from coral_action.errors import UsageError
from coral_action.github.context import Context

LIMIT = 65_000  # characters; GitHub documents 65,536
SMALLEST_BUDGET = 1_000  # characters; below, the sections of other jobs have to give way
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_END = "<!-- coral-quantize:end -->"
_SECTION = re.compile(
    r"^<!-- coral-quantize:section (\{[^\n]*\}) -->\n(.*?)\n<!-- coral-quantize:end -->$",
    re.MULTILINE | re.DOTALL,
)

Render = Callable[[int], str]
"""Markdown of at most so many characters."""


@dataclass(frozen=True)
class Section:
    """What one job says in the comment. `run` and `attempt` tell old from new."""

    id: str
    job: str
    workflow: str
    run: int
    attempt: int
    commit: str
    text: str = ""
    footer: str = ""

    @classmethod
    def of(cls, context: Context, part: str) -> Section:
        """The section of this job, without its text; `part` tells jobs of a matrix apart."""
        identity = "\0".join((context.workflow, context.job, part))
        commit = context.commit[:40]
        run = f' · <a href="{context.run_url}">run</a>' if context.run_url else ""
        return cls(
            id=_digest(identity),
            job=re.sub(r"[^A-Za-z0-9._-]", "-", context.job)[:60],
            workflow=_digest(context.workflow),
            run=context.run,
            attempt=context.attempt,
            commit=commit if re.fullmatch(r"[0-9a-f]{40}", commit) else "",
            footer=f"<sub>Commit {commit[:7]}{run}</sub>" if commit else "<sub></sub>",
        )

    def says_the_same(self, other: Section) -> bool:
        """Whether the same was found for the same commit, in whatever run."""
        return (self.commit, self.text) == (other.commit, other.text)

    def is_newer_than(self, other: Section) -> bool:
        """Whether it comes from a later run, or a later attempt at the same run."""
        return (self.run, self.attempt) > (other.run, other.attempt)


def check_key(key: str) -> str:
    """A key that can stand in a marker.

    Raises:
        UsageError: if it can't.
    """
    if not _KEY.fullmatch(key):
        raise UsageError(
            f"comment key {key!r}: use up to 64 letters, digits, dots, hyphens and underscores"
        )
    return key


def marker(key: str) -> str:
    """What a comment with this key begins with."""
    return f"<!-- coral-quantize:comment key={key} -->"


def outdated(body: str, key: str) -> str:
    """The same comment, no longer found by its key."""
    return body.replace(marker(key), f"<!-- coral-quantize:outdated key={key} -->", 1)


def is_ours(body: str, key: str) -> bool:
    """Whether a comment begins with the marker of this key, on a line of its own."""
    return _lines(body).startswith(marker(key) + "\n")


def parse(body: str) -> list[Section]:
    """The sections of a comment; what is damaged is left out."""
    sections = []
    for match in _SECTION.finditer(_lines(body)):
        text, _, footer = match[2].rpartition("\n")
        try:
            fields = json.loads(match[1])
            sections.append(
                Section(
                    id=str(fields["id"]),
                    job=str(fields["job"]),
                    workflow=str(fields["workflow"]),
                    run=int(fields["run"]),
                    attempt=int(fields["attempt"]),
                    commit=str(fields["commit"]),
                    text=text,
                    footer=footer,
                )
            )
        except (ValueError, KeyError, TypeError):
            continue
    return sections


def merge(found: Iterable[Section], own: Section) -> list[Section] | None:
    """The sections that the comment should have; None if a newer run has spoken already.

    Of several sections with one id the newest stays. Sections that an older run of the same
    workflow left for another commit go: their jobs will speak again, or are no more.
    """
    newest: dict[str, Section] = {}
    for section in found:
        known = newest.get(section.id)
        if known is None or section.is_newer_than(known):
            newest[section.id] = section
    for section in newest.values():
        same_job = section.id == own.id and section.is_newer_than(own)
        moved_on = section.commit != own.commit and section.run > own.run
        if section.workflow == own.workflow and (same_job or moved_on):
            return None
    kept = [
        section
        for section in newest.values()
        if section.id != own.id
        and not (
            section.workflow == own.workflow
            and section.run < own.run
            and section.commit != own.commit
        )
    ]
    previous = newest.get(own.id)
    same = previous is not None and previous.says_the_same(own)
    return sorted(
        [*kept, previous if same and previous else own],
        key=lambda section: (section.job, section.id),
    )


def write(key: str, sections: Sequence[Section]) -> str:
    """The whole comment."""
    parts = [marker(key)]
    for section in sections:
        fields = asdict(section)
        del fields["text"], fields["footer"]
        # A comment in HTML ends at the first "-->", wherever that stands.
        attributes = json.dumps(fields).replace("<", "\\u003c").replace(">", "\\u003e")
        parts.append(f"<!-- coral-quantize:section {attributes} -->")
        parts += [section.text, section.footer, _END]
    return "\n".join(parts) + "\n"


def fit(key: str, found: Sequence[Section], own: Section, render: Render, limit: int) -> str | None:
    """The comment with this job's section in at most `limit` characters.

    The own report is shortened first, by its renderer; if the others leave no room, the largest
    of them give way to a line that says where they are. None if a newer run has spoken already.
    """
    others = list(found)
    while True:
        merged = merge(others, own)
        if merged is None:
            return None
        rest = [section for section in merged if section.id != own.id]
        taken = len(write(key, [*rest, replace(own, text="")]))
        budget = limit - taken
        if budget >= min(SMALLEST_BUDGET, limit // 2) or all(_is_stub(s) for s in rest):
            text = _without_markers(_lines(render(max(budget, 0)))).strip("\n")
            complete = replace(own, text=text)
            return write(key, merge(others, complete) or [])
        largest = max(rest, key=lambda section: len(section.text))
        others = [_stub(s) if s.id == largest.id else s for s in others]


def holds(body: str, written: str, own: Section, key: str) -> bool:
    """Whether a comment still has what we wrote for this job, or something newer."""
    sections = [section for section in parse(body) if section.id == own.id]
    expected = [section for section in parse(written) if section.id == own.id]
    return is_ours(body, key) and all(
        any(not wanted.is_newer_than(section) for section in sections) for wanted in expected
    )


def _stub(section: Section) -> Section:
    return replace(section, text=f"Report of job {section.job}: see the summary of its run.")


def _is_stub(section: Section) -> bool:
    return section.text == _stub(section).text


def _without_markers(text: str) -> str:
    """Our markers inside of a report are no markers."""
    return re.sub(r"<!--(?=\s*/?\s*coral-quantize:)", "&lt;!--", text)


def _lines(body: str) -> str:
    return body.replace("\r\n", "\n")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
