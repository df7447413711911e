"""Which downloads a part of coral.yml names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from coral_action.config.paths import DOWNLOAD
from coral_action.config.section import Section


def downloads_of(section: Section) -> list[str]:
    """The names after `download:` in all paths of a section, such as a model, each once."""
    texts = _texts(section.model_dump(mode="json"))
    values = (text.removeprefix(DOWNLOAD) for text in texts if text.startswith(DOWNLOAD))
    return list(dict.fromkeys(value.partition("/")[0].partition(":")[0] for value in values))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else ():
        yield from _texts(item)
    for item in value if isinstance(value, list) else ():
        yield from _texts(item)
