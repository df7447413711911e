"""Code that runs a finished model on a board, ready to copy; only where it fits the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from coral_action.report.model import ModelReport
from coral_action.report.snippets.frigate import frigate
from coral_action.report.snippets.pycoral_classify import pycoral_classify
from coral_action.report.snippets.pycoral_detect import pycoral_detect
from coral_action.report.snippets.snippet import Snippet

__all__ = ["Snippet", "snippets_of"]

_MAKERS: tuple[Callable[[ModelReport], Snippet | None], ...] = (
    pycoral_classify,
    pycoral_detect,
    frigate,
)


def snippets_of(model: ModelReport) -> Iterator[Snippet]:
    """All that fit this model."""
    for make in _MAKERS:
        found = make(model)
        if found is not None:
            yield found
