"""The documents as data: code blocks with their markers, headings, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness import PROJECT
from markdown_it import MarkdownIt
from markdown_it.token import Token

PAGES = (
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *sorted((PROJECT / "docs").rglob("*.md")),
    PROJECT / "examples" / "digits" / "README.md",
)
# A comment right before a block: who runs it, or why nobody can.
_MARKER = re.compile(r"<!-- (executed by|not executed:|not tested:) (\S.*?) -->\s*$")


@dataclass(frozen=True)
class Block:
    """A code block: where it is, its language, its text, and the comment before it."""

    page: Path
    line: int
    language: str
    text: str
    marker: str = ""  # "executed by", "not executed:", "not tested:" or nothing
    why: str = ""  # what the comment says after that

    def __str__(self) -> str:
        return f"{self.page.relative_to(PROJECT)}:{self.line}"


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    """The page as CommonMark reads it."""
    parser = MarkdownIt("commonmark").enable("table")
    return tuple(parser.parse(page.read_text(encoding="utf-8")))


@cache
def blocks() -> tuple[Block, ...]:
    """Every code block of every page."""
    return tuple(block for page in PAGES for block in _blocks(page))


def _blocks(page: Path) -> Iterator[Block]:
    before = ""
    for token in tokens(page):
        if token.type in ("fence", "code_block"):
            marker = _MARKER.search(before)
            line = (token.map or [0])[0] + 1
            language = token.info.strip() if token.type == "fence" else ""
            words = marker.groups() if marker else ("", "")
            yield Block(page, line, language, token.content, *words)
        before = token.content if token.type == "html_block" else ""


def of(language: str) -> list[Block]:
    """All blocks of a language."""
    return [block for block in blocks() if block.language == language]


def inline_code() -> Iterator[tuple[Path, str]]:
    """Every `code` in running text."""
    for page in PAGES:
        for token in tokens(page):
            for child in token.children or ():
                if child.type == "code_inline":
                    yield page, child.content


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> list[str]:
    """The anchors of a page's headings, in order."""
    found = tokens(page)
    return [
        slug("".join(child.content for child in found[at + 1].children or ()))
        for at, token in enumerate(found)
        if token.type == "heading_open"
    ]
