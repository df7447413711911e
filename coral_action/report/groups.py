"""Operators on the CPU, those with the same name, reason and advice taken together."""

from __future__ import annotations

from dataclasses import dataclass

from coral_action.report.model import PlacementData


@dataclass(frozen=True)
class Group:
    """Operators that stay on the CPU for one reason."""

    name: str
    reason: str
    advice: str
    rule: str
    indices: tuple[int, ...]

    def where(self, most: int) -> str:
        """How many there are and the first of their indices (3, 7, 9, 12 …)."""
        if len(self.indices) == 1:
            return f"({self.indices[0]})"
        listed = ", ".join(map(str, self.indices[:most]))
        more = " …" if len(self.indices) > most else ""
        return f"×{len(self.indices)} ({listed}{more})"  # noqa: RUF001


def on_cpu(placement: PlacementData | None) -> list[Group]:
    """The groups in the order of their first operators."""
    found: dict[tuple[str, str, str, str], list[int]] = {}
    for operator in placement.operators if placement else ():
        if operator.target == "cpu":
            key = (operator.name, operator.reason or "", operator.advice or "", operator.rule or "")
            found.setdefault(key, []).append(operator.index)
    return [Group(*key, tuple(indices)) for key, indices in found.items()]
