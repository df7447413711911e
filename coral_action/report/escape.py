"""Foreign text in GitHub Markdown: text that can be nothing but text.

GitHub reads Markdown, then looks in the resulting text for mentions, issue numbers, commit hashes,
links and emoji codes, but not inside of code elements. So names go into code elements; sentences
get a zero-width joiner at each place where such a thing could begin.
"""

from __future__ import annotations

import re

from coral_action.report.foreign import prose, visible

_JOINER = "\u200d"
# What stays as it is written; everything else of ASCII becomes an entity.
_UNSAFE_IN_CODE = re.compile(r"[\x00-\x1f!-'*+.:-<>-@\[-`{-\x7f]|^[-=]")
_UNSAFE_IN_TEXT = re.compile(
    r"[\x00-\x1f#-$&*+:<-@\[-`{-\x7f]|^[-=]|^ | $|(?<![A-Za-z)%])\.|\.(?! |$)"
)
_STARTS = re.compile(
    r"(?<=[@#])(?=\S)"  # mention, issue
    r"|(?<=:)(?=\S)"  # address, emoji code
    r"|(?<=[A-Za-z0-9]-)(?=\d)"  # GH-12 and the like
    r"|(?<=[Ww]{3})(?=\.)"
)
_HASH = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{7,}(?![0-9A-Za-z])")  # may name a commit
# A name may break after separators, and every 12 letters of a word that is longer.
_BREAKS = re.compile(r"[_/\\.:;@-]+(?=[^_/\\.:;@\s-])|[^_/\\.:;@\s-]{12}(?=[^_/\\.:;@\s-])")


def plain(value: str) -> str:
    """A foreign sentence, for use in a line that begins with text of ours; `words` become code."""
    return "".join(code(part) if is_code else _text(part) for is_code, part in prose(value))


def _text(value: str) -> str:
    joined = _HASH.sub(_in_pieces, _STARTS.sub(_JOINER, value))
    # A dollar sign begins a formula, unless it has an element of its own (GitHub's documentation,
    # "Writing mathematical expressions").
    return _UNSAFE_IN_TEXT.sub(_entity, joined).replace("&#36;", "<span>&#36;</span>")


def code(value: str) -> str:
    """A foreign name in a code element that may break after `_`, `/`, `.` and in long words."""
    parts = (_UNSAFE_IN_CODE.sub(_entity, part) for part in _pieces(value))
    return f"<code>{'<wbr>'.join(parts)}</code>"


def cell(value: str) -> str:
    """A foreign name as plain text that may break as `code` does: for narrow cells."""
    return "<wbr>".join(_text(part) for part in _pieces(value))


def code_line(value: str) -> str:
    """A foreign command line or hash in a code element: it is there to be copied."""
    escaped = _UNSAFE_IN_CODE.sub(_entity, visible(value, 4_000))
    # cmark makes links of mail addresses even where the @ is an entity inside of raw HTML.
    return f"<code>{escaped.replace('&#64;', '&#64;<wbr>')}</code>"


def _pieces(value: str) -> list[str]:
    # No line break is left in visible text, so one can stand for a place to break.
    return _BREAKS.sub(r"\g<0>\n", visible(value)).split("\n")


def _in_pieces(match: re.Match[str]) -> str:
    word = match[0]
    return _JOINER.join(word[start : start + 6] for start in range(0, len(word), 6))


def _entity(match: re.Match[str]) -> str:
    return "".join(f"&#{ord(character)};" for character in match[0])
