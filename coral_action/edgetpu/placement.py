"""Which operators run on the Edge TPU and which stay on the CPU, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from coral_action.counts import plural
from coral_action.edgetpu.executable import EDGE_TPU_OPERATOR
from coral_action.edgetpu.log import MAPPED, ModelLog
from coral_action.edgetpu.operators import Effect, Judgement, Target, View, judge
from coral_action.edgetpu.partition import partition
from coral_action.findings import Finding, Severity
from coral_action.tflite import TfliteModel

Place = Literal["edge_tpu", "cpu"]

_ENDED = "the Edge TPU's part was told to end before it (intermediate_tensors or search_delegate)"


@dataclass(frozen=True)
class OperatorPlacement:
    """Where one operator of the int8 model runs; reason and advice where it stays on the CPU."""

    index: int
    name: str
    target: Place
    reason: str = ""
    advice: str = ""
    rule: str = ""  # the id of the finding behind the reason

    def to_json(self) -> dict[str, Any]:
        """Plain data, without what is empty."""
        return {key: value for key, value in vars(self).items() if value != ""}


@dataclass(frozen=True)
class Placement:
    """Where every operator of a model runs, as the compiler did it or as predicted.

    `refused`: the compiler takes the file not at all, so everything stays on the CPU.
    """

    origin: Literal["compiler", "predicted"]
    operators: tuple[OperatorPlacement, ...]
    subgraphs: int
    findings: tuple[Finding, ...] = ()
    refused: bool = False

    @property
    def edge_tpu(self) -> int:
        """How many operators run on the Edge TPU."""
        return sum(operator.target == "edge_tpu" for operator in self.operators)

    @property
    def cpu(self) -> int:
        """How many operators stay on the CPU."""
        return len(self.operators) - self.edge_tpu

    def to_json(self) -> dict[str, Any]:
        """Plain data, as in report.json."""
        return {
            "origin": self.origin,
            "edge_tpu": self.edge_tpu,
            "cpu": self.cpu,
            "subgraphs": self.subgraphs,
            "refused": self.refused,
            "operators": [operator.to_json() for operator in self.operators],
        }


def predict(model: TfliteModel, target: Target | None = None) -> Placement:
    """What the compiler will do with a model, going by the rules about its operators.

    Without multiple subgraphs, the first part that can be mapped is; what depends on an operator
    after it stays on the CPU, mappable or not (google-coral/edgetpu#461, #433, #342).
    """
    target = target or Target()
    judged = [judge(View(operator, model, target)) for operator in model.operators]
    refusing = [i for i, found in enumerate(judged) if _with(found, Effect.REFUSED)]
    ended = _ended(model, target.ends)
    mappable = [not _stopping(found) and i not in ended for i, found in enumerate(judged)]
    parts = [part for part in partition(model.operators, mappable) if part.mapped]
    chosen = parts if target.multiple_subgraphs else parts[:1]
    mapped = set() if refusing else {index for part in chosen for index in part.operators}

    def place(index: int) -> OperatorPlacement:
        if index in mapped:
            return OperatorPlacement(index, model.operators[index].name, "edge_tpu")
        if index in ended and not refusing and not _stopping(judged[index]):
            return _told_to_end(index, model)
        return _left(index, judged[index], model, (mappable,), refusing)

    placed = tuple(place(index) for index in range(len(model.operators)))
    findings = [item.finding for found in judged for item in found]
    findings += _after_findings(placed)
    subgraphs = 0 if refusing else len(chosen)
    return Placement("predicted", placed, subgraphs, tuple(findings), bool(refusing))


def _ended(model: TfliteModel, ends: Collection[str]) -> set[int]:
    """Operators that read a tensor where the Edge TPU's part is told to end."""
    names = set(ends)
    return {
        operator.index
        for operator in model.operators
        if any(i >= 0 and model.tensors[i].name in names for i in operator.inputs)
    }


def _told_to_end(index: int, model: TfliteModel) -> OperatorPlacement:
    return OperatorPlacement(index, model.operators[index].name, "cpu", _ENDED, rule="CQ109")


def from_compiled(
    original: TfliteModel,
    compiled: TfliteModel | Sequence[TfliteModel],
    log: ModelLog | None = None,
    target: Target | None = None,
    ends: Collection[str] = (),
    part: Collection[int] | None = None,
) -> Placement:
    """The true placement: what the compiled file still computes with ordinary operators.

    An operator stayed on the CPU if its output tensor is still made by an ordinary operator of the
    compiled file, where tensors keep their names. With the compiler's own table (`log`), its words
    for the operator's kind are added to the reason, and a disagreement is a finding.

    Args:
        original: the int8 model.
        compiled: the compiled file, or all segments of it.
        log: what the compiler said of it.
        target: for what it was compiled.
        ends: tensors where the Edge TPU's part was told to end.
        part: operators that `compiled` is made of, where it is one segment of several.
    """
    files = [compiled] if isinstance(compiled, TfliteModel) else list(compiled)
    on_cpu = {
        file.tensors[index].name
        for file in files
        for operator in file.operators
        if operator.name != EDGE_TPU_OPERATOR
        for index in operator.outputs
    }
    stayed = [
        any(original.tensors[index].name in on_cpu for index in operator.outputs)
        for operator in original.operators
    ]
    target = target or Target()
    words = _statuses(log)
    ended = _ended(original, ends or target.ends)
    placed = []
    findings: list[Finding] = []
    judgements = [judge(View(operator, original, target)) for operator in original.operators]
    # A rule's reason further up explains more than the nearest operator that stayed; a rule that
    # the compiled file proves wrong explains nothing.
    ruled = [left and bool(_stopping(j)) for left, j in zip(stayed, judgements, strict=True)]
    ways = [not left for left in ruled], [not left for left in stayed]
    for operator in original.operators:
        if part is not None and operator.index not in part:
            continue
        judged = judgements[operator.index]
        findings += [j.finding for j in judged if stayed[operator.index] or j.effect == Effect.RISK]
        if not stayed[operator.index]:
            placed.append(OperatorPlacement(operator.index, operator.name, "edge_tpu"))
            continue
        told = words.get(operator.name.partition(":")[0], "")
        left = _left(operator.index, judged, original, ways, [])
        if left.rule == "CQ109" and operator.index in ended:
            left = _told_to_end(operator.index, original)
        placed.append(_with_words(left, told))
    subgraphs = sum(o.name == EDGE_TPU_OPERATOR for file in files for o in file.operators)
    found = tuple(placed)
    findings += _after_findings(found)
    if log is not None:
        findings += disagreements(found, subgraphs, log)
    return Placement("compiler", found, subgraphs, tuple(findings))


def part_of(original: TfliteModel, segment: TfliteModel) -> set[int]:
    """The operators of the original that a segment stands for: from its inputs to its outputs."""
    places = {tensor.name: tensor.index for tensor in original.tensors}
    starts, ends = (
        {places[name] for name in (segment.tensors[i].name for i in which) if name in places}
        for which in (segment.inputs, segment.outputs)
    )
    makers = {tensor: operator for operator in original.operators for tensor in operator.outputs}
    found: set[int] = set()
    waiting = list(ends)
    while waiting:
        tensor = waiting.pop()
        if tensor in starts or tensor not in makers or makers[tensor].index in found:
            continue
        found.add(makers[tensor].index)
        waiting += makers[tensor].inputs
    return found


def disagreements(
    placed: Sequence[OperatorPlacement], subgraphs: int, log: ModelLog
) -> list[Finding]:
    """Where the compiled file and the compiler's log tell different stories (CQ151)."""
    mapped = sum(operator.target == "edge_tpu" for operator in placed)
    told: list[tuple[str, int | None, int]] = [
        ("operators", log.operators, len(placed)),
        ("operators on the Edge TPU", log.mapped, mapped),
        ("Edge TPU subgraphs", log.subgraphs, subgraphs),
    ]
    if log.rows:
        for name in sorted({operator.name.partition(":")[0] for operator in placed}):
            said = sum(r.count for r in log.rows if r.name == name and r.status == MAPPED)
            seen = sum(o.name.partition(":")[0] == name and o.target == "edge_tpu" for o in placed)
            told.append((f"{name} operators on the Edge TPU", said, seen))
    return [
        Finding(
            "CQ151",
            Severity.WARNING,
            f"the compiler's log says {said} {what}, the compiled file has {seen}",
            "the file is what runs: the report goes by it",
        )
        for what, said, seen in told
        if said is not None and said != seen
    ]


def _with(found: Iterable[Judgement], effect: Effect) -> list[Finding]:
    return [item.finding for item in found if item.effect == effect]


def _stopping(found: Sequence[Judgement]) -> list[Finding]:
    """What keeps an operator off the Edge TPU, worst first."""
    return _with(found, Effect.REFUSED) + _with(found, Effect.CPU)


def _left(
    index: int,
    found: Sequence[Judgement],
    model: TfliteModel,
    ways: Sequence[Sequence[bool]],
    refusing: Sequence[int],
) -> OperatorPlacement:
    """An operator that stays on the CPU, with the reason that matters most."""
    name = model.operators[index].name
    own = _stopping(found)
    if own:
        reason = own[0].message.partition(": ")[2]
        return OperatorPlacement(index, name, "cpu", reason, own[0].advice, own[0].id)
    if refusing:
        culprit = model.operators[refusing[0]]
        reason = f"the compiler refuses the file because of {culprit.name} ({culprit.index})"
        return OperatorPlacement(index, name, "cpu", reason, rule="CQ106")
    blockers = [_blocker(index, model, mappable) for mappable in ways]
    blocker = next((found for found in blockers if found is not None), None)
    if blocker is None:
        reason = "the compiler left it on the CPU without a reason that is known"
        return OperatorPlacement(index, name, "cpu", reason, "try `diagnose`", "CQ109")
    before = model.operators[blocker]
    reason = f"it comes after {before.name} (operator {blocker}), which stays on the CPU"
    return OperatorPlacement(index, name, "cpu", reason, _cut_advice(blocker, model), "CQ108")


def _blocker(index: int, model: TfliteModel, mappable: Sequence[bool]) -> int | None:
    """The nearest operator before this one that is not mapped for a reason of its own."""
    makers = {tensor: o.index for o in model.operators for tensor in o.outputs}
    seen = {index}
    queue = [index]
    while queue:
        current = queue.pop(0)
        for tensor in model.operators[current].inputs:
            maker = makers.get(tensor)
            if maker is None or maker in seen:
                continue
            if not mappable[maker]:
                return maker
            seen.add(maker)
            queue.append(maker)
    return None


def _cut_advice(blocker: int, model: TfliteModel) -> str:
    """What to set in coral.yml so that the model ends with all that an operator takes."""
    makers = {tensor: o for o in model.operators for tensor in o.outputs}
    taken = []
    for tensor in model.operators[blocker].inputs:
        # The float model has no such operator, but has what it reads.
        while tensor in makers and makers[tensor].name == "QUANTIZE":
            tensor = makers[tensor].inputs[0]
        if tensor in makers:
            taken.append(model.tensors[tensor].name)
    if not taken:
        return "replace the operator before it"
    names = ", ".join(dict.fromkeys(taken))
    return f"cut the model before {model.operators[blocker].name}: set `outputs: [{names}]`"


def _after_findings(placed: Sequence[OperatorPlacement]) -> list[Finding]:
    """One finding for all that stays on the CPU only because of its place (CQ108)."""
    after = [operator for operator in placed if operator.rule == "CQ108"]
    if not after:
        return []
    come = "comes" if len(after) == 1 else "come"
    return [
        Finding(
            "CQ108",
            Severity.WARNING,
            f"{plural(len(after), 'operator')} could be mapped but {come} after one "
            f"that stays on the CPU (the first is {after[0].name}, operator {after[0].index})",
            after[0].advice,
            operator=f"{after[0].name} (operator {after[0].index})",
        )
    ]


def _statuses(log: ModelLog | None) -> Mapping[str, str]:
    """The compiler's words for a kind of operator, where all that stayed of it share them."""
    words: dict[str, set[str]] = {}
    for row in log.rows if log else []:
        if row.status != MAPPED:
            words.setdefault(row.name, set()).add(row.status)
    return {name: next(iter(texts)) for name, texts in words.items() if len(texts) == 1}


def _with_words(placed: OperatorPlacement, words: str) -> OperatorPlacement:
    if not words:
        return placed
    return replace(placed, reason=f'{placed.reason} (the compiler: "{words}")')
