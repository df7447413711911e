"""A small Mermaid diagram: the stretches of a model that run on the Edge TPU and on the CPU."""

from __future__ import annotations

import re
from itertools import groupby

from coral_action.report.model import PlacementData

_MOST = 9  # stretches; more make a picture that nobody reads
_COLOURS = {"edge_tpu": "fill:#1a7f37,stroke:#1a7f37,color:#fff", "cpu": "fill:#9a6700,color:#fff"}


def stretches(placement: PlacementData | None) -> list[str]:
    """Lines of a Mermaid flowchart; none where everything runs in one place."""
    if placement is None:
        return []
    runs = [
        (target, [operator.name for operator in run])
        for target, run in groupby(placement.operators, key=lambda operator: operator.target)
    ]
    if not 1 < len(runs) <= _MOST:
        return []
    lines = ["flowchart LR"]
    for index, (target, names) in enumerate(runs):
        place = "Edge TPU" if target == "edge_tpu" else "CPU"
        what = f"{len(names)} operators" if len(names) > 1 else _word(names[0])
        lines.append(f'  s{index}["{place}: {what}"]:::{target}')
    lines.append("  " + " --> ".join(f"s{index}" for index in range(len(runs))))
    used = sorted({target for target, _ in runs})
    return [*lines, *(f"  classDef {target} {_COLOURS[target]}" for target in used)]


def _word(name: str) -> str:
    """An operator's name without anything that means something to Mermaid."""
    return re.sub(r"[^A-Za-z0-9_]+", " ", name)[:40].strip() or "operator"
