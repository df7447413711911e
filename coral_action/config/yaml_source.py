"""Plain data from YAML text, remembering the line and column of every key and item."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 250_000
MAX_DEPTH = 50
MAX_PROBLEMS = 50  # of one kind; who has more gets the first ones
MAX_NUMBER = 100  # characters; numbers in base 60 take quadratic time

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the text; line and column count from 1."""

    line: int
    column: int
    message: str


@dataclass
class YamlSource:
    """The data of a YAML text, where each part of it stands, and what is wrong with its form."""

    data: Any = None
    positions: dict[Location, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def position(self, location: Location) -> tuple[int, int]:
        """Line and column of a part, or of the nearest part around it."""
        known = tuple(step for step in location if isinstance(step, str | int))
        while known and known not in self.positions:
            known = known[:-1]
        return self.positions.get(known, (1, 1))


def read_limited(path: Path) -> bytes:
    """The content of a YAML file: a regular file, not larger than such a file is.

    Raises:
        OSError: if it can't be read.
        ValueError: if it is anything else.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a regular file")
        content = file.read(4 * MAX_BYTES + 1)  # characters of UTF-8 have up to 4 bytes
    if len(content) > 4 * MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES:,} characters")
    return content


def read_yaml(text: str) -> YamlSource:
    """Read one YAML document, running nothing in it: no tags, no aliases, no duplicate keys.

    Nothing is expanded: `${{ }}` and `$NAME` stay as they are written.
    """
    source = YamlSource()
    if len(text) > MAX_BYTES:
        source.problems.append(Problem(1, 1, f"larger than {MAX_BYTES:,} characters"))
        return source
    try:
        if _refuse_traps(text, source):
            return source
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is not None:
            source.data = _build(root, (), source)
    except yaml.MarkedYAMLError as error:
        place = _place(error.problem_mark or error.context_mark)
        source.problems.append(Problem(*place, f"not valid YAML: {error.problem}"))
    except yaml.YAMLError as error:
        source.problems.append(Problem(1, 1, f"not valid YAML: {str(error).splitlines()[0]}"))
    return source


def _refuse_traps(text: str, source: YamlSource) -> bool:
    """Aliases can blow a small file up to gigabytes, and nesting takes time; neither is needed."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            place = _place(event.start_mark)
            source.problems.append(Problem(*place, f"nested more than {MAX_DEPTH} deep"))
            break
        if len(source.problems) >= MAX_PROBLEMS:
            break
        tag = getattr(event, "tag", None)
        if tag is not None:
            message = f"tags ({tag[:40]!r}) are not allowed here"
            source.problems.append(Problem(*_place(event.start_mark), message))
        if isinstance(event, yaml.AliasEvent):
            message = f"aliases (*{event.anchor}) are not allowed here: write the part out"
            source.problems.append(Problem(*_place(event.start_mark), message))
    return bool(source.problems)


def _place(mark: Any) -> tuple[int, int]:
    """Line and column, from 1, of a PyYAML mark (which may be missing)."""
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _build(node: yaml.Node, location: Location, source: YamlSource) -> Any:
    if len(source.problems) >= MAX_PROBLEMS:
        return None
    source.positions.setdefault(location, _place(node.start_mark))
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*location, i), source) for i, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return _scalar(node, source)
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        place = _place(key_node.start_mark)
        key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else None
        if key is None or key in mapping:
            what = "a key must be plain text" if key is None else f'the key "{key}" is there twice'
            source.problems.append(Problem(*place, what))
            continue
        source.positions[(*location, key)] = place
        mapping[key] = _build(value_node, (*location, key), source)
    return mapping


def _scalar(node: yaml.Node, source: YamlSource) -> Any:
    text = node.tag == "tag:yaml.org,2002:str"
    if not text and len(node.value) > MAX_NUMBER:
        message = f"longer than {MAX_NUMBER} characters, and no text: put it in quotes"
        source.problems.append(Problem(*_place(node.start_mark), message))
        return None
    if text and any("\ud800" <= character <= "\udfff" for character in node.value):
        source.problems.append(Problem(*_place(node.start_mark), "half a character (a surrogate)"))
        return None
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        problem = getattr(error, "problem", None) or error
        source.problems.append(Problem(*_place(node.start_mark), str(problem)))
        return None
    finally:
        loader.dispose()
