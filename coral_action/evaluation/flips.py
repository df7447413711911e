"""Which samples changed their class, and which classes paid for it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coral_action.evaluation.columns import (
    FLOAT_CHOICE,
    FLOAT_SCORE,
    INT8_CHOICE,
    INT8_SCORE,
    LOSS,
    Columns,
)
from coral_action.evaluation.result import ClassLoss, Confusion, Flip, FlipKind, Flips

Integers = npt.NDArray[np.int64]

SHOWN = 12
MAX_CLASSES = 100
MAX_CONFUSION = 50

_ORDER: tuple[FlipKind, ...] = ("lost", "changed", "gained")


def _flipped(columns: Columns) -> list[tuple[int, float, str, int]]:
    """(place in _ORDER, -loss, name, place) of each sample that changed, worst first."""
    if "choices" not in columns:
        return []
    choices = columns.stacked("choices")
    found = []
    for place in np.flatnonzero(choices[:, FLOAT_CHOICE] != choices[:, INT8_CHOICE]):
        row, label = choices[place], columns.labels[place]
        if np.isnan(row).any():
            continue
        kind = 0 if label == row[FLOAT_CHOICE] else 2 if label == row[INT8_CHOICE] else 1
        found.append((kind, -float(row[LOSS]), columns.names[place], int(place)))
    return sorted(found)


def worst_places(columns: Columns) -> list[int]:
    """Places of the samples that are shown."""
    return [place for *_, place in _flipped(columns)[:SHOWN]]


def flips(columns: Columns, names: dict[int, str], thumbnails: dict[str, str]) -> Flips | None:
    """Counts and the worst; None where outputs are no classes, or there is no reference.

    Args:
        columns: of all samples.
        names: class names by number.
        thumbnails: pictures by sample name.
    """
    if "choices" not in columns or np.isnan(columns.stacked("choices")).any():
        return None
    choices = columns.stacked("choices")
    flipped = _flipped(columns)
    counts = [sum(1 for kind, *_ in flipped if kind == wanted) for wanted in range(3)]
    worst = []
    for kind, _, sample, place in flipped[:SHOWN]:
        row, label = choices[place], columns.labels[place]
        worst.append(
            Flip(
                sample=sample,
                kind=_ORDER[kind],
                label=None if label < 0 else class_name(label, names),
                float_choice=class_name(int(row[FLOAT_CHOICE]), names),
                int8_choice=class_name(int(row[INT8_CHOICE]), names),
                float_score=float(row[FLOAT_SCORE]),
                int8_score=float(row[INT8_SCORE]),
                loss=float(row[LOSS]),
                thumbnail=thumbnails.get(sample),
            )
        )
    return Flips(lost=counts[0], changed=counts[1], gained=counts[2], worst=tuple(worst))


def class_name(number: int, names: dict[int, str]) -> str:
    """The name of a class, or else its number."""
    return names.get(number, str(number))


def all_labels(names: dict[int, str]) -> tuple[str, ...]:
    """Class names in order; none unless every number up to the largest has one."""
    ordered = sorted(names)
    return tuple(names[i] for i in ordered) if ordered == list(range(len(names))) else ()


def class_losses(columns: Columns, names: dict[int, str]) -> tuple[ClassLoss, ...]:
    """Recall of each labelled class with both models: those that lost most first, at most 100."""
    known = _labels_and_choices(columns)
    if known is None:
        return ()
    labels, chosen = known
    counts = np.bincount(labels)
    hits = [np.bincount(labels, labels == column, len(counts)) for column in chosen]
    losses = [
        ClassLoss(
            class_name(int(i), names), int(counts[i]), *(float(h[i] / counts[i]) for h in hits)
        )
        for i in np.flatnonzero(counts)
    ]
    return tuple(sorted(losses, key=lambda loss: -loss.drop)[:MAX_CLASSES])


def confusion(columns: Columns, names: dict[int, str]) -> Confusion | None:
    """Counts by true and chosen class, for at most 50 classes; None without class labels."""
    known = _labels_and_choices(columns)
    if known is None:
        return None
    labels, chosen = known
    size = int(max(labels.max(), *(column.max() for column in chosen))) + 1
    if size > MAX_CONFUSION:
        return None
    counts = [
        np.bincount(labels * size + column, minlength=size * size).reshape(size, size).tolist()
        for column in chosen
    ]
    before, after = (tuple(tuple(row) for row in table) for table in counts)
    return Confusion(tuple(class_name(i, names) for i in range(size)), before, after)


def _labels_and_choices(columns: Columns) -> tuple[Integers, tuple[Integers, Integers]] | None:
    """Labels, and the choices of float and of int8; None where outputs or labels are no classes."""
    if "choices" not in columns:
        return None
    choices = columns.stacked("choices")
    labels = np.asarray(columns.labels, dtype=np.int64)
    if np.isnan(choices).any() or (labels < 0).any():
        return None
    both = choices[:, [FLOAT_CHOICE, INT8_CHOICE]].astype(np.int64)
    return labels, (both[:, 0], both[:, 1])
