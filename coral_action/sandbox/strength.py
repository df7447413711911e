"""Which defences of the sandbox hold: for the log, and for the report."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

# Each defence, and what it is called where people read of it.
NAMES = {
    "files": "files (Landlock)",
    "calls": "system calls and sockets (seccomp)",
    "capabilities": "capabilities",
    "user": "a user of its own",
    "network": "an empty network namespace",
}
# With these, neither the token nor the network can be reached; the others come on top.
_ESSENTIAL = frozenset({"files", "calls", "capabilities"})
_MARK = b"sandbox "
# What a launcher sends where the program itself can't be started, with the error's number.
CANT_START = b"can't-start"

_noted: list[Strength] = []


@dataclass
class Strength:
    """What a child said of itself before it touched anything."""

    held: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def hold(self, name: str) -> None:
        """Note a defence that holds."""
        self.held.append(name)

    def miss(self, name: str) -> None:
        """Note a defence that this machine does not have."""
        self.missing.append(name)

    @property
    def essential(self) -> bool:
        """Whether the defences that the token depends on hold."""
        return set(self.held) >= _ESSENTIAL

    def describe(self) -> str:
        """One line: what children are kept from, and what could not be had here."""
        held = ", ".join(NAMES[name] for name in self.held) or "nothing"
        missing = ", ".join(NAMES[name] for name in self.missing)
        return held + (f"; not here: {missing}" if missing else "")

    def to_line(self) -> bytes:
        """For the parent, as the first line that the child sends."""
        return _MARK + json.dumps([self.held, self.missing]).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Strength | None:
        """The inverse of `to_line`; None where the line is none of these."""
        if not line.startswith(_MARK):
            return None
        held, missing = json.loads(line.removeprefix(_MARK))
        return cls(*([name for name in names if name in NAMES] for names in (held, missing)))


def note(strength: Strength) -> None:
    """Remember what a child said of itself; said in the log when it is the first of its kind."""
    if any(strength == known for known in _noted):
        return
    _noted.append(strength)
    import logging  # a child, which has no use for it, would start 5 ms later

    # A person has to know when a defence that the token depends on is missing; and only then.
    level = logging.DEBUG if strength.essential else logging.WARNING
    logger = logging.getLogger("coral_action.sandbox")
    logger.log(level, "sandbox: children are kept by %s", strength.describe())


def weakest() -> Strength | None:
    """The child with the fewest defences so far; None before the first child."""
    return min(_noted, key=lambda strength: len(strength.held), default=None)
