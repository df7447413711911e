"""docs/operators.md, made from the rules' docstrings."""

from __future__ import annotations

from coral_action.edgetpu.operators import NEWEST_VERSIONS, RULES, SUPPORTED_SINCE, Rule
from coral_action.edgetpu.operators.support import ADVICE

# Prediction against the truth: operators right, operators in all, over real pairs of original and
# compiled file. A test repeats it and holds these numbers.
PREDICTED_RIGHT, PREDICTED_ALL = 451, 451
MISSES: tuple[str, ...] = ()

_INTRODUCTION = """\
# What the Edge TPU can map

This page is generated from the rules in `coral_action/edgetpu/operators/`
(`python -m coral_action.edgetpu.operators`). They describe compiler 16.0 and runtime 14.
`coral-quantize check MODEL.tflite` applies them without compiling anything.

How a placement is predicted:

1. Every operator is held against the rules below. One that breaks a rule stays on the CPU; some
   make the compiler refuse the whole file; some are a risk only.
2. The graph is cut into parts as TensorFlow Lite does it: in execution order, a part takes in all
   operators of one kind (mappable or not) whose inputs are there, until no more come.
3. The first part that can be mapped goes to the Edge TPU. Whatever depends on an operator after it
   stays on the CPU, mappable or not (CQ108), unless several subgraphs are allowed
   (`edge_tpu.multiple_subgraphs`).
"""

_AFTER_RULES = """\
## Placement

### CQ108

An operator could be mapped but depends on one that stays on the CPU. The compiler calls it "More
than one subgraph is not supported". End the model before the operator that stays (`outputs`), or
replace that one. Sources: google-coral/edgetpu
[#461](https://github.com/google-coral/edgetpu/issues/461),
[#433](https://github.com/google-coral/edgetpu/issues/433),
[#342](https://github.com/google-coral/edgetpu/issues/342).

### CQ109

The compiler left an operator on the CPU and no rule says why: "Operation is otherwise supported,
but not mapped due to some unspecified limitation". Large tensors are the most frequent cause.

## Activation sizes

A study with compiler 1.0 tried 60 models: 43 compiled and 17 failed. The largest activation that
compiled has 25.3 MB (MobileNet v2 at 1024x1024), the smallest that failed 0.2 MB (a bare MUL), so
size alone decides nothing. CQ142 therefore speaks only above everything that was seen to pass.
"""


def operators_page() -> str:
    """The whole page."""
    rules = sorted(RULES, key=lambda rule: rule.id)
    parts = [_INTRODUCTION, _table(rules), "## Rules\n"]
    parts += [_rule(rule) for rule in rules]
    parts += [_AFTER_RULES, _advice(), _measured()]
    return "\n".join(parts)


def _table(rules: list[Rule]) -> str:
    lines = [
        "## Operators",
        "",
        "| operator | runtime | newest version at load | rules of its own |",
        "|---|---|---|---|",
    ]
    for name, since in sorted(SUPPORTED_SINCE.items()):
        own = ", ".join(f"[{r.id}](#{r.id.lower()})" for r in rules if _is_own(r, name))
        runtime = "all" if since <= 10 else f"{since} and newer"
        lines.append(f"| {name} | {runtime} | {NEWEST_VERSIONS.get(name, '-')} | {own or '-'} |")
    return "\n".join([*lines, ""])


def _is_own(rule: Rule, name: str) -> bool:
    return name in rule.operators


def _rule(rule: Rule) -> str:
    about = ", ".join(rule.operators) if rule.operators else "all operators"
    sources = ", ".join(f"<{source}>" for source in rule.sources)
    lines = [f"### {rule.id}", "", f"**{rule.title}**", ""]
    if rule.explanation:
        lines += [rule.explanation, ""]
    lines += [f"- About: {about}", f"- Where it is broken: {rule.effect.value}"]
    if rule.since:
        lines.append(f"- Since runtime {rule.since}")
    return "\n".join([*lines, f"- Sources: {sources}", ""])


def _advice() -> str:
    rows = [f"| {name} | {text} |" for name, text in sorted(ADVICE.items())]
    head = ["## In place of operators that the Edge TPU lacks", "", "| operator | advice |"]
    return "\n".join([*head, "|---|---|", *rows, ""])


def _measured() -> str:
    share = PREDICTED_RIGHT / PREDICTED_ALL
    lines = [
        "## How good the prediction is",
        "",
        f"On 13 real pairs of an original and a compiled file, {PREDICTED_RIGHT} of "
        f"{PREDICTED_ALL} operators ({share:.1%}) are predicted as the compiler placed them.",
        "",
    ]
    lines += [f"- {miss}" for miss in MISSES] or ["No operator of them is missed."]
    lines += [
        "",
        "What is known to be uncertain: the factor at which a resize is refused (CQ129, anywhere "
        "between 2 and 15), very wide layers (CQ114), transposed convolutions with many channels "
        "(CQ117), and whatever depends on the size of activations (CQ142).",
        "",
    ]
    return "\n".join(lines)
