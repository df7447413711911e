"""What coral.yml may say of the comparison, and what it says to mistakes."""

from __future__ import annotations

import pytest

from coral_action.config.loader import parse_config
from coral_action.config.schema import ModelConfig
from coral_action.errors import ConfigError

TEXT = """version: 1
models:
  - name: a
    source: b
    calibration: {{npy: c.npy}}
    evaluation: {{npz: d.npz, {evaluation}}}
    limits: {{accuracy_drop: {limit}}}
"""


def parse(evaluation: str = "exact: false", limit: str = "1.0") -> ModelConfig:
    return parse_config(TEXT.format(evaluation=evaluation, limit=limit), "coral.yml").models[0]


@pytest.mark.parametrize(
    ("evaluation", "names"),
    [
        ("exact: true", []),
        ("metrics: [recall, top1]", ["recall", "top1"]),
        ('metrics: [top1, {python: "m.py:dice"}]', ["top1", "dice"]),
        ('metrics: [{python: "m.py:dice", name: My dice, unit: fraction}]', ["My dice"]),
        ("metrics: [map], boxes: b.json", ["map"]),
        ("reference: original, threshold: 0.3, output: scores", []),
    ],
)
def test_accepted(evaluation: str, names: list[str]) -> None:
    section = parse(evaluation).evaluation
    assert section is not None
    assert section.metric_names == names
    again = type(section).model_validate(section.model_dump(mode="json"))
    assert again == section  # as it crosses to the child


@pytest.mark.parametrize(
    ("evaluation", "line"),
    [
        ("metrics: [top1, tpo5]", 'metrics[1]: no metric is called tpo5; did you mean "top5"?'),
        ("metrics: [zzzz]", "metrics[0]: no metric is called zzzz; known: top1, top5, recall"),
        ("metrics: [top1, top1]", "evaluation: a metric is named twice"),
        ("metrics: [map]", "the metric map needs `boxes`"),
        ("metrics: []", "metrics: "),
        ('metrics: [{python: "m.txt:f"}]', "metrics[0].python: "),
        ('metrics: [{python: "m.py:top1"}]', "metrics[0]: top1 is the name of a known metric"),
        ('metrics: [{python: "m.py:f", nmae: x}]', 'nmae: unknown key; did you mean "name"?'),
        ("metrics: [{name: top1, unit: value}]", "`higher_is_better` and `unit` belong to"),
        ("detection: {boxes: a, classes: b, scores: c}", "`detection` belongs to `boxes`"),
        ("exact: 1", "exact: "),
    ],
)
def test_refused(evaluation: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(evaluation)
    assert line in caught.value.message
    assert caught.value.message.startswith("coral.yml:6:")


def test_drop_limits() -> None:
    short, long = parse(limit="1").limits, parse(limit="{max: 1.5, confidence: 0.95}").limits
    assert short.accuracy_drop is not None and long.accuracy_drop is not None
    assert (short.accuracy_drop.max, short.accuracy_drop.confidence) == (1.0, None)
    assert (long.accuracy_drop.max, long.accuracy_drop.confidence) == (1.5, 0.95)
    for wrong in ("true", "x", "{max: 1, confidence: 0.4}", "{confidence: 0.95}", "{max: 1, a: 1}"):
        with pytest.raises(ConfigError, match=r"accuracy_drop"):
            parse(limit=wrong)
