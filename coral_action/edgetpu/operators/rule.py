"""What a rule is: a small function about one operator, registered with an id and its sources.

A rule's docstring is its documentation; docs/operators.md is generated from it. It yields every
problem that it sees, not only the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from coral_action.findings import Finding, Severity
from coral_action.tflite import Operator, Tensor, TfliteModel

SUPPORTED_OPERATORS = "https://coral.ai/docs/edgetpu/models-intro/#supported-operations"
ISSUES = "https://github.com/google-coral/edgetpu/issues/"
NEWEST_RUNTIME = 14
CUT_ADVICE = "set `outputs` to end the model before it, and do the rest in your own code"


class Effect(StrEnum):
    """What follows where a rule is broken."""

    CPU = "stays on the CPU"
    REFUSED = "the compiler refuses the whole file"
    RISK = "a risk, no verdict"


_SEVERITIES = {
    Effect.CPU: Severity.WARNING,
    Effect.REFUSED: Severity.ERROR,
    Effect.RISK: Severity.WARNING,
}


@dataclass(frozen=True)
class Target:
    """What the model is compiled for: options of the compiler that change what is mapped.

    `ends` are names of tensors after which everything stays on the CPU.
    """

    min_runtime_version: int = NEWEST_RUNTIME
    multiple_subgraphs: bool = False
    ends: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """One operator with its tensors at hand."""

    operator: Operator
    model: TfliteModel
    target: Target

    @property
    def name(self) -> str:
        """The operator's kind: CONV_2D."""
        return self.operator.name

    @property
    def label(self) -> str:
        """How findings name it: `CONV_2D (operator 12)`."""
        return f"{self.operator.name} (operator {self.operator.index})"

    def input(self, position: int) -> Tensor | None:
        """An input, or None where the operator has none there."""
        inputs = self.operator.inputs
        if position >= len(inputs) or inputs[position] < 0:
            return None
        return self.model.tensors[inputs[position]]

    @property
    def inputs(self) -> list[Tensor]:
        """All inputs that are there."""
        return [self.model.tensors[i] for i in self.operator.inputs if i >= 0]

    @property
    def outputs(self) -> list[Tensor]:
        """All outputs."""
        return [self.model.tensors[i] for i in self.operator.outputs if i >= 0]

    @property
    def activations(self) -> list[Tensor]:
        """Inputs that are computed, and outputs."""
        return [t for t in (*self.inputs, *self.outputs) if not t.is_constant]

    def option(self, name: str, default: Any) -> Any:
        """An option of the operator, or the schema's default where the file has none."""
        value = getattr(self.operator.options, name, None)
        return default if value is None else value

    def numbers(self, position: int) -> list[int] | None:
        """The values of a constant integer input, None where it is computed or missing."""
        tensor = self.input(position)
        if tensor is None or tensor.data is None or tensor.type not in ("INT32", "INT64"):
            return None
        item = 4 if tensor.type == "INT32" else 8
        raw = tensor.data.tobytes()
        return [
            int.from_bytes(raw[i : i + item], "little", signed=True)
            for i in range(0, len(raw) - len(raw) % item, item)
        ]


def static_shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape as the compiler sees it: an open batch is compiled as 1."""
    return tuple(1 if size < 0 else size for size in tensor.shape)


def elements(tensor: Tensor) -> int:
    """How many values a tensor has."""
    count = 1
    for size in static_shape(tensor):
        count *= size
    return count


@dataclass(frozen=True)
class Problem:
    """What a rule saw: the fact, and what to do about it."""

    message: str
    advice: str = ""
    tensor: str | None = None


Check = Callable[[View], Iterator[Problem]]


@dataclass(frozen=True)
class Rule:
    """A registered rule; `operators` is empty for one about all of them."""

    id: str
    operators: tuple[str, ...]
    effect: Effect
    sources: tuple[str, ...]
    since: str
    check: Check

    @property
    def title(self) -> str:
        """The first line of the documentation."""
        return (self.check.__doc__ or "").strip().splitlines()[0]

    @property
    def explanation(self) -> str:
        """The rest of the documentation."""
        lines = (self.check.__doc__ or "").strip().splitlines()[1:]
        return "\n".join(line.strip() for line in lines).strip()


@dataclass(frozen=True)
class Judgement:
    """A finding and what it means for the placement."""

    finding: Finding
    effect: Effect


RULES: list[Rule] = []


def rule(
    id_: str,
    *operators: str,
    sources: tuple[str, ...] = (SUPPORTED_OPERATORS,),
    effect: Effect = Effect.CPU,
    since: str = "",
) -> Callable[[Check], Check]:
    """Register a function as a rule about `operators` (none: about all)."""

    def register(check: Check) -> Check:
        RULES.append(Rule(id_, operators, effect, sources, since, check))
        return check

    return register


def judge(view: View) -> list[Judgement]:
    """All that the rules have to say about one operator."""
    found = []
    for item in RULES:
        if item.operators and view.name not in item.operators:
            continue
        for problem in item.check(view):
            finding = Finding(
                item.id,
                _SEVERITIES[item.effect],
                f"{view.label}: {problem.message}",
                problem.advice,
                operator=view.label,
                tensor=problem.tensor,
            )
            found.append(Judgement(finding, item.effect))
    return found
