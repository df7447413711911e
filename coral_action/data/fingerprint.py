"""Which files a section of coral.yml reads, for a hash over all that a result depends on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from coral_action.config.data_schema import DataSection, EvaluationConfig
from coral_action.config.paths import PathRules
from coral_action.data import images, tfrecord, wav_clips
from coral_action.data.files import find_files
from coral_action.errors import CoralQuantizeError

# Digests of files by path, in their order; empty for what can't be read.
Digests = Callable[[Iterable[str]], list[str]]

_KINDS = {"images": images.SUFFIXES, "tfrecord": tfrecord.SUFFIXES, "wav": wav_clips.SUFFIXES}
_MAX_LIST_BYTES = 64 * 2**20  # of a list file, which is read in this process


def fingerprint(config: DataSection, paths: PathRules, digests: Digests) -> str | None:
    """SHA-256 over names and contents of all files that a section names, samples left out or not.

    Nothing is decoded. Paths count as they are relative to what coral.yml names, so that the same
    data give the same hash elsewhere.

    Returns:
        The hash; None where it would not tell everything: code of the user's, which may read
        anything, or what only a run can refuse, such as files outside of the workspace.
    """
    if runs_custom_code(config):
        return None
    whole = sha256()
    try:
        for role, names, locations in _files(config, paths):
            found = digests(locations)
            lines = (f"{role}\0{name}\0{d}\n" for name, d in zip(names, found, strict=True))
            whole.update("".join(lines).encode("utf-8", "surrogateescape"))
    except (CoralQuantizeError, OSError, ValueError, RuntimeError):
        return None
    return whole.hexdigest()


def runs_custom_code(config: DataSection) -> bool:
    """Whether the section names a Python function of the user's."""
    metrics = config.metrics or [] if isinstance(config, EvaluationConfig) else []
    return config.python is not None or any(metric.python for metric in metrics)


Files = tuple[str, list[str], list[str]]  # role, names, locations


def _files(config: DataSection, paths: PathRules) -> Iterator[Files]:
    kind, value = config.source
    for role, path in _sources(kind, value):
        numbered = config.labels == "folders"
        yield from _found(role, path, _KINDS.get(kind), paths, class_folders=numbered)
    if config.labels not in (None, "folders"):
        yield _one("labels", str(config.labels), paths)
    if config.class_names is not None:
        yield _one("class_names", config.class_names, paths)
    if config.masks is not None:
        yield from _found("masks", config.masks, frozenset({".png"}), paths)
    if isinstance(config, EvaluationConfig):
        if config.boxes is not None:
            yield _one("boxes", config.boxes, paths)
        if config.reference not in ("float", "original"):
            yield _one("reference", config.reference, paths)


def _sources(kind: str, value: Any) -> list[tuple[str, str]]:
    """(role, path) of each path of a source."""
    if isinstance(value, dict):
        return [(f"{kind}:{name}", path) for name, path in value.items()]
    if isinstance(value, str):
        return [(kind, value)]
    return [(kind, value.file if kind == "csv" else value.files)]


def _found(
    role: str,
    value: str,
    suffixes: frozenset[str] | None,
    paths: PathRules,
    *,
    class_folders: bool = False,
) -> Iterator[Files]:
    if suffixes is None:
        yield _one(role, value, paths)
        return
    named = paths.resolve(value)
    if named.is_file() and named.stat().st_size > _MAX_LIST_BYTES:
        raise ValueError("too long a list to be read here")
    files = find_files(value, suffixes, paths, role)
    locations = [files.location(index) for index in range(len(files.paths))]
    if paths.root is not None:
        for location in locations:
            if not files.walked or os.path.islink(location):  # noqa: PTH114 - as FileSet.read
                paths.resolve(location)  # raises where it leads out of the workspace
    yield role, list(files.paths), locations
    if class_folders:  # one without files shifts the numbers of the classes after it
        places = [str(files.base / folder) for folder in files.folders]
        yield f"{role} folders", list(files.folders), places
    if named.is_file():
        yield _one(f"{role} list", value, paths)


def _one(role: str, value: str, paths: PathRules) -> Files:
    path: Path = paths.resolve(value)
    return role, [value], [str(path)]
