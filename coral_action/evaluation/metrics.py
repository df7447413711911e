"""Metrics: one function each, from the rank that each sample's true class got."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Ranks = npt.NDArray[np.int64]


def rank_of(scores: npt.NDArray[np.floating], label: int) -> int:
    """How many classes come before `label` when classes are sorted by score.

    Args:
        scores: one score a class, shape (classes,).
        label: the true class.

    Equal scores, which int8 outputs often have, rank the lower class number first, as argmax does.
    """
    own = scores[label]
    return int((scores > own).sum() + (scores[:label] == own).sum())


def top1(ranks: Ranks) -> float:
    """Fraction of samples whose true class got the highest score."""
    return float((ranks < 1).mean())


def top5(ranks: Ranks) -> float:
    """Fraction of samples whose true class is among the five highest scores."""
    return float((ranks < 5).mean())


METRICS: dict[str, Callable[[Ranks], float]] = {"top1": top1, "top5": top5}
