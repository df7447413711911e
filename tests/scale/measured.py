"""Evaluations of made-up outputs: real row functions, real statistics, no model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from coral_action.config.evaluation_schema import EvaluationOptions, MetricChoice
from coral_action.config.limits_schema import LimitsConfig
from coral_action.data import InputProfile, Profile, Sample, SampleStatistics
from coral_action.evaluation import Gathered, Scoring
from coral_action.evaluation.compare import compare
from coral_action.evaluation.flips import worst_places
from coral_action.evaluation.metrics import METRICS, MetricKind, Settings, Truth
from coral_action.evaluation.metrics.custom import custom_kind
from coral_action.evaluation.metrics.kind import Array, DetectionNames, Floats, Outputs
from coral_action.evaluation.plan import Choices, Plan
from coral_action.evaluation.thumbnails import thumbnail

BY_TASK = {
    "classes": ("top1", "top5", "recall", "cosine", "agreement", "own"),
    "score": ("binary_accuracy", "roc_auc"),
    "values": ("mae", "mse"),
    "mask": ("mean_iou",),
    "boxes": ("map",),
}
_CHOICES: dict[str, Choices] = {"classes": "classes", "score": "classes", "mask": "pixels"}
_OWN = MetricChoice(name="own", python="m.py:own")
_DETECTION = DetectionNames("boxes", "classes", "out", "count")


def _own(outputs: Outputs, reference: Outputs, truth: Truth, settings: Settings) -> Floats:
    return np.array([float(outputs["out"].std())])


def _kind(name: str) -> MetricKind:
    return custom_kind(_OWN, _own) if name == "own" else METRICS[name]


@dataclass(frozen=True)
class MadeUp:
    """An evaluation of `count` samples; the same seed makes the same ones."""

    task: str
    count: int
    seed: int
    bad: frozenset[int] = frozenset()  # positions of files that can't be decoded

    @property
    def scoring(self) -> Scoring:
        """As of coral.yml."""
        names = [{"name": "own", "python": "m.py:own"} if n == "own" else n for n in self.metrics]
        boxes = {"boxes": "boxes.csv"} if self.task == "boxes" else {}
        options = EvaluationOptions.model_validate({"metrics": names, **boxes})
        limits = LimitsConfig.model_validate({"accuracy_drop": {"max": 1.0, "confidence": 0.9}})
        return Scoring(options, limits, tuple(self.outputs(0, 0)))

    @property
    def metrics(self) -> tuple[str, ...]:
        """All that fit the task."""
        return BY_TASK[self.task]

    def part(self, positions: Iterable[int]) -> Gathered:
        """What a job measures that has the samples at these places."""
        chosen = sorted(positions)
        profile = Profile("evaluation", (InputProfile("x", (1, 8, 8, 1), "float32"),), self.count)
        statistics = SampleStatistics(profile)
        kinds = tuple(_kind(name) for name in self.metrics)
        detection = _DETECTION if self.task == "boxes" else None
        plan = Plan(kinds, Settings("out", 0.5, detection), _CHOICES.get(self.task, "none"))
        samples = {p: self.sample(p) for p in chosen if p not in self.bad}

        def watched() -> Iterator[Sample]:
            for sample in samples.values():
                statistics.add(sample)
                yield sample

        columns = compare(
            plan,
            lambda sample: self.outputs(sample.position, 0),
            lambda sample: self.outputs(sample.position, 1),
            watched(),
            truth_of=lambda sample: self.truth(sample.position),
        )
        statistics.add_bad_files([_bad(p) for p in chosen if p in self.bad])
        if not samples:
            return Gathered(columns, (), {}, {}, statistics, "")
        pictures = {}
        for place in worst_places(columns) if self.task == "classes" else ():
            sample = samples[columns.positions[place]]
            pictures[sample.name] = thumbnail(sample.inputs) or ""
        names = {label: f"class {label}" for label in columns.labels if label >= 0}
        return Gathered(columns, self.metrics, names, pictures, statistics, "xnnpack")

    def sample(self, position: int) -> Sample:
        """Names are not in the order of places."""
        values = self._random(position, 9).random((1, 8, 8, 1)).astype(np.float32)
        name = f"{position * 7 % 101:03}-{position}.png"
        return Sample(name, {"x": values}, None, f"{position:064x}", position)

    def outputs(self, position: int, model: int) -> Outputs:
        """Of the float model (0) or of int8 (1), which is float and some noise, in steps."""
        rng = self._random(position, 0)
        shape = {"classes": (1, 7), "score": (1, 1), "values": (1, 3), "mask": (1, 5, 4, 3)}
        if self.task == "boxes":
            return self._detections(rng, self._random(position, 3), model)
        values = rng.random(shape[self.task]).astype(np.float32)
        noise = self._random(position, 3).normal(0, 0.2, values.shape)
        return {"out": np.round((values + noise) * 16).astype(np.float32) / 16 if model else values}

    def _detections(
        self, rng: np.random.Generator, noise: np.random.Generator, model: int
    ) -> Outputs:
        """Detections near the labels, which are made of the same numbers."""
        corners = rng.random((1, 6, 2)).astype(np.float32) * 0.6
        boxes = np.concatenate([corners, corners + 0.3], axis=2)
        scores = rng.random((1, 6)).astype(np.float32)
        if model:
            boxes = boxes + noise.normal(0, 0.03, boxes.shape).astype(np.float32)
            scores = np.round(scores * 8) / 8
        classes = rng.integers(0, 3, (1, 6)).astype(np.float32)
        count = np.array([rng.integers(0, 7)], dtype=np.float32)
        return {"boxes": boxes, "classes": classes, "out": scores, "count": count}

    def truth(self, position: int) -> Truth:
        """Labels that the float model mostly gets right."""
        rng, outputs = self._random(position, 1), self.outputs(position, 0)
        if self.task == "classes":
            return int(outputs["out"].argmax()) if rng.random() < 0.8 else int(rng.integers(7))
        if self.task == "score":
            return int(outputs["out"][0, 0] + rng.normal(0, 0.3) > 0.5)
        if self.task == "values":
            return np.asarray(outputs["out"][0] + rng.normal(0, 0.1, 3))
        if self.task == "mask":
            mask: Array = outputs["out"][0].argmax(-1)
            mask[rng.random(mask.shape) < 0.1] = 255
            return mask
        found = outputs["boxes"][0, : rng.integers(0, 7)]
        classes = outputs["classes"][0, : len(found)]
        return np.column_stack([classes, found, np.zeros(len(found))]).astype(np.float64)

    def _random(self, position: int, what: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, position, what])


def _bad(position: int):
    from coral_action.data import BadFile

    return BadFile(f"{position:03}.png", f"{position:03}.png: cut off")
