"""The operator graph as inline SVG: every operator, coloured by place, in the order of the data.

A layered layout: an operator lies one layer below the lowest of those that it reads. It takes
time linear in the operators and edges, so 40 models of 300 operators are laid out in a blink.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from coral_action.counts import plural
from coral_action.report.foreign import message, visible
from coral_action.report.model import OperatorData, PlacementData

_WIDTH, _HEIGHT = 190, 24  # of a box, in pixels
_GAP_X, _GAP_Y = 14, 16
_LETTERS = 21  # of a name that fit into a box


@dataclass(frozen=True)
class Node:
    """An operator with the corner of its box."""

    operator: OperatorData
    x: int
    y: int
    inputs: tuple[int, ...]  # positions of the nodes that it reads


def layout(operators: Sequence[OperatorData]) -> list[Node]:
    """Boxes that don't overlap, each below all that it reads.

    Where the report does not say what an operator reads, it reads the one before it.
    """
    positions = {operator.index: place for place, operator in enumerate(operators)}
    known = any(operator.inputs for operator in operators)
    layers: list[int] = []
    columns: list[float] = []
    reads: list[tuple[int, ...]] = []
    members: dict[int, list[int]] = {}
    for place, operator in enumerate(operators):
        found = {positions[i] for i in operator.inputs if i in positions} if known else {place - 1}
        inputs = tuple(sorted(p for p in found if 0 <= p < place))
        layer = 1 + max((layers[p] for p in inputs), default=-1)
        reads.append(inputs)
        layers.append(layer)
        # As near below its inputs as the boxes already there leave room for.
        wanted = sum(columns[p] for p in inputs) / len(inputs) if inputs else 0.0
        taken = members.setdefault(layer, [])
        columns.append(_free(wanted, [columns[p] for p in taken]))
        taken.append(place)
    left = min(columns, default=0.0)
    step_x, step_y = _WIDTH + _GAP_X, _HEIGHT + _GAP_Y
    return [
        Node(
            operator,
            _GAP_X + round((columns[p] - left) * step_x),
            _GAP_Y + layers[p] * step_y,
            reads[p],
        )
        for p, operator in enumerate(operators)
    ]


def _free(wanted: float, taken: Sequence[float]) -> float:
    """The place nearest to `wanted` that is a whole box away from all that are taken."""
    if all(abs(wanted - other) >= 1 for other in taken):
        return wanted
    right, left = max(taken) + 1, min(taken) - 1
    return right if right - wanted <= wanted - left else left


def svg(placement: PlacementData) -> Markup:
    """The picture; a box tells its reason when the mouse rests on it, without any script."""
    nodes = layout(placement.operators)
    longest = max((node.y - nodes[p].y for node in nodes for p in node.inputs), default=0)
    width = max((node.x for node in nodes), default=0) + _WIDTH + 2 * _GAP_X + longest // 16
    height = max((node.y for node in nodes), default=0) + _HEIGHT + _GAP_Y
    edges = "".join(_edge(nodes[p], node) for node in nodes for p in node.inputs)
    boxes = "".join(_box(node) for node in nodes)
    label = (
        f"{plural(placement.edge_tpu, 'operator')} on the Edge TPU, {placement.cpu} on the CPU; "
        "the table of operators says the same in words"
    )
    return Markup(  # noqa: S704  all foreign text in it is escaped below
        f'<svg class="graph" role="img" aria-label="{label}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}"><path class="e" d="{edges}"/>{boxes}</svg>'
    )


def _edge(source: Node, target: Node) -> str:
    x1, y1 = source.x + _WIDTH // 2, source.y + _HEIGHT
    x2, y2 = target.x + _WIDTH // 2, target.y
    if x1 == x2 and y2 - y1 > _GAP_Y:  # past the boxes between, on their right side
        side, bulge = source.x + _WIDTH, source.x + _WIDTH + _GAP_X + (y2 - y1) // 16
        y1, y2 = y1 - _HEIGHT // 2, y2 + _HEIGHT // 2
        return f"M{side} {y1}C{bulge} {y1} {bulge} {y2} {side} {y2}"
    if x1 == x2:
        return f"M{x1} {y1}V{y2}"
    middle = y2 - _GAP_Y // 2
    return f"M{x1} {y1}C{x1} {middle} {x2} {y1 + _GAP_Y // 2} {x2} {y2}"


def _box(node: Node) -> str:
    operator = node.operator
    name = visible(operator.name)
    short = name if len(name) <= _LETTERS else name[: _LETTERS - 1] + "…"
    on_cpu = operator.target == "cpu"
    hover = f"{operator.index} {name}: {'CPU' if on_cpu else 'Edge TPU'}"
    if operator.tensor:
        hover += f"\n{visible(operator.tensor)}"
    for sentence in (operator.reason, operator.advice):
        if sentence:
            hover += f"\n{message(sentence)}"
    return (
        f'<g class="{"c" if on_cpu else "t"}" transform="translate({node.x} {node.y})">'
        f'<title>{escape(hover)}</title><rect width="{_WIDTH}" height="{_HEIGHT}" rx="4"/>'
        f'<text x="8" y="16">{escape(f"{operator.index} {short}")}</text></g>'
    )
