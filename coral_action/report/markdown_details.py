"""The details of one model in Markdown, as blocks from the most to the least useful."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from coral_action.counts import plural
from coral_action.errors import troubleshooting
from coral_action.report import text
from coral_action.report.comparison import ModelComparison
from coral_action.report.diagram import stretches
from coral_action.report.escape import cell, code, code_line, plain
from coral_action.report.fit import Block
from coral_action.report.groups import on_cpu
from coral_action.report.model import AccuracyData, ModelReport
from coral_action.report.sections import DataSetData
from coral_action.report.snippets import snippets_of

_ROWS = 20  # of a table; what is beyond is counted and stands in the HTML report
_FINDINGS = 20
_SEVERITY = {"error": "❌ error", "warning": "⚠️ warning", "info": "note"}
_STATUS_RANK = {"ok": 0, "limit_exceeded": 1, "failed": 2}

Section = tuple[str, Callable[[ModelReport, ModelComparison | None], Iterator[str]]]


def blocks_of(model: ModelReport, owner: int, compared: ModelComparison | None) -> list[Block]:
    """The sections that this model has something for; earlier ones are worth more."""
    blocks = []
    for rank, (title, section) in enumerate(_SECTIONS):
        lines = list(section(model, compared))
        if lines:
            worth = (len(_SECTIONS) - rank, _STATUS_RANK[model.status])
            # A blank line around each block: Markdown begins anew after HTML.
            blocks.append(Block("\n".join([*lines, ""]), worth, title, owner))
    return blocks


def _verdict(model: ModelReport, _: ModelComparison | None) -> Iterator[str]:
    if model.error:
        yield f"**{plain(model.error.message) or plain(model.error.kind)}**"
        if model.error.hint:
            yield ""
            yield plain(model.error.hint)
        if model.error.topic:
            yield ""
            yield f"[Troubleshooting]({troubleshooting(model.error.topic)})"
        yield ""
    for limit in model.limits:
        yield f"- {'✅' if limit.passed else '⚠️'} {plain(text.limit_item(limit, model))}"


def _findings(model: ModelReport, _: ModelComparison | None) -> Iterator[str]:
    if not model.findings:
        return
    yield "**Findings**"
    yield ""
    order = ["error", "warning", "info"]
    found = sorted(model.findings, key=lambda finding: order.index(finding.severity))
    for finding in found[:_FINDINGS]:
        places = (finding.operator, finding.tensor, finding.sample, finding.file)
        where = ", ".join(code(place) for place in places if place)
        advice = f" {plain(finding.advice)}" if finding.advice else ""
        message = plain(finding.message).rstrip(".")
        yield (
            f"- {_SEVERITY[finding.severity]} {plain(finding.id)}: {message}"
            f"{f' ({where})' if where else ''}.{advice}"
        )
    if len(found) > _FINDINGS:
        yield f"- and {len(found) - _FINDINGS} more"


def _comparison(model: ModelReport, compared: ModelComparison | None) -> Iterator[str]:
    if compared is None:
        return
    changed = [change for change in compared.changes if change.before != change.after]
    yield "**Against the baseline**"
    yield ""
    if not changed and not compared.newly_on_cpu and not compared.newly_on_edge_tpu:
        yield "No figure changed."
        return
    if changed:
        rows = [
            (
                cell(text.figure_name(change)),
                text.figure(change, change.before),
                text.figure(change, change.after),
                text.change_words(change),
            )
            for change in changed
        ]
        yield from _table(("Figure", "Before", "Now", "Change"), rows)
    for word, moved in (
        ("Newly on the CPU", compared.newly_on_cpu),
        ("Newly on the Edge TPU", compared.newly_on_edge_tpu),
    ):
        if moved:
            listed = ", ".join(f"{code(item.name)} ({item.index})" for item in moved[:_ROWS])
            more = f" and {len(moved) - _ROWS} more" if len(moved) > _ROWS else ""
            yield ""
            yield f"{word}: {listed}{more}"


def _operators(model: ModelReport, _: ModelComparison | None) -> Iterator[str]:
    groups = on_cpu(model.placement)
    if not groups:
        return
    yield "**Operators left on the CPU**"
    yield ""
    # A list and no table: three columns of sentences don't fit on a phone.
    for group in groups[:_ROWS]:
        advice = f"<br>→ {plain(group.advice)}" if group.advice else ""
        yield f"- {code(group.name)} {group.where(4)}: {plain(group.reason)}{advice}"
    if len(groups) > _ROWS:
        rest = sum(len(group.indices) for group in groups[_ROWS:])
        yield f"- and {plural(rest, 'more operator')}"


def _diagram(model: ModelReport, _: ModelComparison | None) -> Iterator[str]:
    lines = stretches(model.placement)
    if lines:
        yield from ("```mermaid", *lines, "```")


def _metrics(model: ModelReport, _: ModelComparison | None) -> Iterator[str]:
    if model.accuracy is None:
        return
    accuracy = model.accuracy
    yield f"**Accuracy** on {plural(accuracy.samples, 'sample')}"
    yield ""
    rows = [
        (
            cell(metric.name),
            text.from_to(metric),
            text.change(metric) or "—",
            text.interval(metric) + (", noise" if text.is_noise(metric) else ""),
        )
        for metric in accuracy.metrics[:_ROWS]
    ]
    level = text.confidence(accuracy.metrics[0]) if accuracy.metrics else ""
    yield from _table(("Metric", "Float → int8", "Change", f"{level} interval"), rows)
    yield ""
    yield " ".join(_accuracy_notes(accuracy))


def _accuracy_notes(accuracy: AccuracyData) -> Iterator[str]:
    if accuracy.agreement is not None:
        yield (
            f"Float and int8 choose the same class in {text.percent(accuracy.agreement)} "
            "of the samples."
        )
    yield f"The int8 model ran on {plain(accuracy.kernels)} kernels."
    if accuracy.reference == "none":
        yield "There is no float model to compare with: it was integer already."
    elif accuracy.reference != "float":
        yield f"Reference: {code(accuracy.reference)}."
    if check := accuracy.kernel_check:
        yield (
            f"{plain(check.kernels)} and {plain(check.other)} kernels differ in "
            f"{check.different} of {check.samples}."
        )
    if check_of := accuracy.reference_check:
        yield (
            f"The reference and the float .tflite: cosine {check_of.cosine:.4f} on "
            f"{check_of.samples}."
        )


def _classes(model: ModelReport, _: ModelComparison | None) -> Iterator[str]:
    lost = [c for c in model.accuracy.classes if c.drop > 0][:5] if model.accuracy else []
    if lost:
        yield "**Classes that lost most**"
        yield ""
        rows = [
            (
                code(c.name),
                str(c.samples),
                f"{c.float_recall * 100:.1f} → {c.int8_recall * 100:.1f} %",
                text.signed(-c.drop),
            )
            for c in lost
        ]
        yield from _table(("Class", "Samples", "Recall", "Change"), rows)


def _flips(model: ModelReport, _: ModelComparison | None) -> Iterator[str]:
    flips = model.accuracy.flips if model.accuracy else None
    if flips is None or not flips.lost + flips.gained + flips.changed:
        return
    yield (
        f"**Samples that changed:** {flips.lost} lost, {flips.gained} gained, "
        f"{flips.changed} wrong in another way"
    )
    if flips.worst:
        yield ""
        rows = [
            (
                code(flip.sample),
                code(flip.label) if flip.label else "—",
                f"{code(flip.float_choice)} {flip.float_score:.2f}",
                f"{code(flip.int8_choice)} {flip.int8_score:.2f}",
            )
            for flip in flips.worst[:5]
        ]
        yield from _table(("Sample", "Label", "Float", "int8"), rows)


def _layers(model: ModelReport, _: ModelComparison | None) -> Iterator[str]:
    if model.layers:
        yield "**Layers that lose most** (signal to quantization noise, higher is better)"
        yield ""
        rows = [
            (code(layer.name), cell(layer.operator or "—"), text.decibels(layer.sqnr_db))
            for layer in model.layers[:5]
        ]
        yield from _table(("Layer", "Operator", "SQNR"), rows)


def _memory(model: ModelReport, _: ModelComparison | None) -> Iterator[str]:
    chip = model.edge_tpu
    if chip is None:
        return
    facts = [
        ("parameters on the chip", text.size(chip.on_chip_bytes)),
        ("free on the chip", text.size(chip.on_chip_free_bytes)),
        ("streamed at each inference", text.size(chip.off_chip_bytes)),
        ("host memory for activations", text.size(chip.scratch_bytes)),
        ("estimated latency", text.latency(chip)),
        ("compiler", plain(chip.compiler_version or "")),
        ("oldest runtime", str(chip.runtime_version or "")),
    ]
    yield "**Edge TPU:** " + ", ".join(f"{name} {value}" for name, value in facts if value)
    if chip.activations:
        largest = chip.activations[0]
        yield f"<br>Largest activation: {code(largest.name)} {text.size(largest.bytes)}"
    for note in chip.notes[:_FINDINGS]:
        yield f"<br>{plain(note)}"


def _calibrators(model: ModelReport, _: ModelComparison | None) -> Iterator[str]:
    how = model.quantization
    if how is None:
        return
    yield (
        f"**Quantization:** {plain(how.calibrator)} over {plural(how.samples, 'sample')}, "
        f"{plain(how.io)} input and output, "
        f"{text.quantization_steps(how)}"
    )
    for note in (how.why or "", *(how.rewrites or ())[:_FINDINGS]):
        if note:
            yield f"<br>{plain(note)}"
    if how.tried:
        yield ""
        rows = [
            (
                f"{'**' if t.chosen else ''}{cell(t.calibrator)}{'**' if t.chosen else ''}",
                text.decibels(t.sqnr_db),
                "—" if t.agreement is None else text.percent(t.agreement),
            )
            for t in how.tried[:_ROWS]
        ]
        yield from _table(("Calibrator", "SQNR", "Agreement"), rows)


def _data(model: ModelReport, _: ModelComparison | None) -> Iterator[str]:
    for name, data in (
        ("calibration", model.calibration),
        ("evaluation_data", model.evaluation_data),
    ):
        if data is not None:
            yield f"**{text.DATA_WORDS[name]}:** {_data_words(data)}<br>"


def _data_words(data: DataSetData) -> str:
    parts = [plural(data.count, "sample")]
    if data.available and data.available > data.count:
        parts[0] += f" of {data.available:,}"
    if data.source:
        parts.append(code(data.source))
    if data.channels:
        ranges = ", ".join(
            f"{plain(c.name)} {text.number(c.low)} to {text.number(c.high)} "
            f"(mean {text.number(c.mean)})"
            for c in data.channels[:4]
        )
        parts.append(f"values {ranges}")
    if data.sha256:
        parts.append(f"SHA-256 {code_line(data.sha256[:16])}")
    return ", ".join(parts)


def _files(model: ModelReport, _: ModelComparison | None) -> Iterator[str]:
    source = model.source
    words = f"**Source:** {code(source.path)}"
    if source.format:
        words += f" ({plain(source.format)})"
    if source.sha256:
        words += f", SHA-256 {code_line(source.sha256)}"
    yield words
    made = model.files
    for path in (made.int8, made.edgetpu, made.edgetpu_log, made.labels):
        if path:
            yield f"<br>{code(path)}"


def _snippets(model: ModelReport, _: ModelComparison | None) -> Iterator[str]:
    for snippet in snippets_of(model):
        yield f"<details><summary>{snippet.title}</summary>"
        yield from ("", f"```{snippet.language}", snippet.text.rstrip(), "```", "", "</details>")
        yield ""


def _reproduce(model: ModelReport, _: ModelComparison | None) -> Iterator[str]:
    if model.reproduce:
        yield f"**Again on your machine:** {code_line(model.reproduce)}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield "|" + ":--|" * len(header)
    for row in rows:
        yield f"| {' | '.join(row)} |"


# From the most to the least useful: what doesn't fit is dropped from the end.
_SECTIONS: tuple[Section, ...] = (
    ("error and limits", _verdict),
    ("findings", _findings),
    ("comparison with the baseline", _comparison),
    ("operators on the CPU", _operators),
    ("accuracy", _metrics),
    ("layers", _layers),
    ("classes", _classes),
    ("changed samples", _flips),
    ("diagram", _diagram),
    ("memory", _memory),
    ("quantization", _calibrators),
    ("data", _data),
    ("code for boards", _snippets),
    ("how to repeat it", _reproduce),
    ("files and hashes", _files),
)
