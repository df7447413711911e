"""Foreign text (names of layers and files, lines of logs) made harmless for any renderer."""

from __future__ import annotations

import re

NAME_LENGTH = 200  # a layer name or path; what is longer is cut
MESSAGE_LENGTH = 2_000
LINE_CHARACTERS = 16_000  # of a line of a log; the rest is cut

# Control characters, format characters (direction overrides, zero-width, tags), surrogates,
# private use, and the two that XML forbids: none of them shows, and all of them can deceive.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\uf8ff\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)


_BETWEEN_BACKTICKS = re.compile("`([^`]+)`")


def visible(value: str, length: int = NAME_LENGTH) -> str:
    r"""One line in which everything shows: single blanks, `\x1b` for what is invisible, cut."""
    flat = " ".join(value[: length * 4].split())
    shown = _INVISIBLE.sub(lambda match: _escape(match[0]), flat)
    if len(shown) <= length and len(value) <= length * 4:
        return shown
    return shown[: length - 1] + "…"


def message(value: str) -> str:
    """The same for a sentence, which may be longer than a name."""
    return visible(value, MESSAGE_LENGTH)


def prose(value: str) -> list[tuple[bool, str]]:
    """A sentence in pieces, each with whether it stood between backticks."""
    pieces = _BETWEEN_BACKTICKS.split(message(value))
    return [(place % 2 == 1, piece) for place, piece in enumerate(pieces) if piece]


def harmless(line: str) -> str:
    """A line of a log that is no command: `::` at its start, or `##[` anywhere, would be one."""
    safe = without_command(shown(line.replace("\r", " ")))
    safe = without_start(safe)
    return safe if len(safe) <= LINE_CHARACTERS else f"{safe[:LINE_CHARACTERS]}…"


def without_start(line: str) -> str:
    """A line that does not begin with `::`."""
    return re.sub(r"^(\s*):(?=:)", r"\1: ", line)


def without_command(line: str) -> str:
    """A line in which no `##[` is left, wherever it stood."""
    return line.replace("##[", "## [")


def shown(line: str) -> str:
    r"""Escapes in place of what does not show: `\x1b` steers a terminal, others hide a command.

    The runner compares by the rules of a language, in which such characters can count as nothing
    (actions/runner, ActionCommand.TryParseV2), so that a zero-width space keeps no `::` apart.
    """
    return _INVISIBLE.sub(lambda m: m[0] if m[0] == "\t" else _escape(m[0]), line)


def _escape(character: str) -> str:
    r"""One character as `\x1b`, `\u200b` or `\U000e0001`."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
