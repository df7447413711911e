"""Half-pixel RESIZE (version 3) to older operators where the result is the same.

google-coral/edgetpu#818, #667. Output pixel i of a half-pixel resize by the factor f looks at
(i + 0.5) / f - 0.5 (bilinear), or at floor((i + 0.5) / f) (nearest):
- nearest, enlarging by a whole f: floor((i + 0.5) / f) = floor(i / f), as without half pixels;
- bilinear, halving: 2 i + 0.5, the mean of two neighbours: AVERAGE_POOL_2D;
- bilinear of a single pixel: that pixel, whatever the rule.
All other half-pixel resizes have no equal among the older operators and stay as they are.
"""

from __future__ import annotations

from typing import Any

from coral_action.findings import Finding, Severity
from coral_action.quantization.graph import Graph
from coral_action.tflite import schema

_RESIZES = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")


def simplify_resize(graph: Graph) -> list[str]:
    """Replace every half-pixel resize that has an older equal."""
    changes = []
    for operator in _half_pixel(graph):
        source, output = int(operator.inputs[0]), int(operator.outputs[0])
        (height, width), (to_height, to_width) = graph.shape(source)[1:3], graph.shape(output)[1:3]
        kind, name = graph.kind(operator), graph.name(output)
        nearest = kind == "RESIZE_NEAREST_NEIGHBOR"
        whole = to_height % height == 0 and to_width % width == 0
        if (nearest and whole) or (not nearest and (height, width) == (1, 1)):
            operator.builtinOptions.halfPixelCenters = False
            graph.set_version(operator, 1)
            changes.append(f"{kind} without half pixels (exact): {name}")
        elif not nearest and (height, width) == (2 * to_height, 2 * to_width):
            graph.replace(operator, [_average_pool(graph, source, output)])
            changes.append(f"{kind} to half the size as AVERAGE_POOL_2D (exact): {name}")
    return changes


def half_pixel_left(graph: Graph) -> list[Finding]:
    """CQ220: a half-pixel resize that could not be written in an older form."""
    return [
        Finding(
            "CQ220",
            Severity.INFO,
            f"{graph.kind(operator)} uses half-pixel centers, which older Edge TPU compilers "
            "refuse, and has no older equal",
            "resize by tf.compat.v1.image.resize, or enlarge by a whole factor with method nearest",
            operator=graph.kind(operator),
            tensor=graph.name(int(operator.outputs[0])),
        )
        for operator in _half_pixel(graph)
    ]


def _half_pixel(graph: Graph) -> list[Any]:
    return [
        operator
        for operator in graph.operators
        if graph.kind(operator) in _RESIZES
        and operator.builtinOptions is not None
        and operator.builtinOptions.halfPixelCenters
    ]


def _average_pool(graph: Graph, source: int, output: int) -> Any:
    options = schema().Pool2DOptionsT()
    options.padding = schema().Padding.VALID
    options.strideH = options.strideW = options.filterHeight = options.filterWidth = 2
    return graph.make_operator("AVERAGE_POOL_2D", [source], [output], options)
