"""Which models are the same as in an earlier report, going by the files that changed since then."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self

from coral_action.config.paths import DOWNLOAD, PathRules
from coral_action.config.schema import Config, ModelConfig
from coral_action.errors import UsageError
from coral_action.provenance import model_hash, sha256_of_source, tool_versions
from coral_action.report.model import ModelReport, Report
from coral_action.scale.git import changed_paths, split_paths, top_folder

_GLOB = frozenset("*?[")
_LIST_SUFFIXES = (".txt", ".lst")
_MAX_LIST_BYTES = 64 * 2**20
_MAX_PATH = 4096


@dataclass(frozen=True)
class Changes:
    """Files that changed, or of which nobody can tell; paths relative to `top`, with slashes."""

    top: Path
    paths: frozenset[str]
    folders: frozenset[str]  # that hold one of them, at any depth

    @classmethod
    def of(cls, top: Path, paths: list[str]) -> Self:
        """From a list of paths."""
        clean = [PurePosixPath(path) for path in paths]
        folders = {str(parent) for path in clean for parent in path.parents}
        return cls(top.resolve(), frozenset(map(str, clean)), frozenset(folders))

    def touch(self, path: Path) -> bool:
        """Whether a file, or something in a folder, changed; true of what lies elsewhere."""
        if not path.is_relative_to(self.top):
            return True
        inside = PurePosixPath(path.relative_to(self.top).as_posix())
        # A changed folder is a submodule: everything in it may have changed.
        above = (str(parent) for parent in (inside, *inside.parents))
        return str(inside) in self.folders or any(path in self.paths for path in above)


def find_changes(config: Path, reference: str | None, listed: Path | None) -> Changes | None:
    """What `--changed-since` or `--changed-files` says; None without both.

    Raises:
        UsageError: if both are given, or Git can't tell.
    """
    if reference is not None and listed is not None:
        raise UsageError("--changed-since and --changed-files exclude each other")
    if listed is not None:
        return Changes.of(Path.cwd(), split_paths(listed.read_bytes()))
    if reference is None:
        return None
    top = top_folder(config.resolve().parent)
    return Changes.of(top, changed_paths(top, reference))


def unchanged(
    config: Config,
    paths: PathRules,
    changes: Changes,
    baseline: Report,
    *,
    compiled: bool | None,
) -> frozenset[str]:
    """Names of the models whose results in the baseline hold still.

    A model's result holds if the baseline has one, made by the same versions of all tools from the
    same part of coral.yml and the same source, and none of its files changed.

    Args:
        config: coral.yml as it is now.
        paths: where its paths begin.
        changes: the files that changed since the baseline.
        baseline: the earlier report.
        compiled: whether models are compiled, or their placement is predicted; None for either.
    """
    if baseline.versions != tool_versions():
        return frozenset()
    before = {model.name: model for model in baseline.models}
    same = frozenset(
        model.name
        for model in config.models
        if model.name in before
        and _same(model, before[model.name], config, compiled=compiled)
        and not _touched(model, paths, changes)
        and same_source(model, before[model.name], paths)
    )
    # What is compiled together shares the chip's memory: one that changed changes all of them.
    made = {model.edge_tpu.group for model in config.models if model.name not in same} - {None}
    together = made if compiled is not False else set()
    return same - {model.name for model in config.models if model.edge_tpu.group in together}


def same_source(model: ModelConfig, before: ModelReport, paths: PathRules) -> bool:
    """Whether the model's files are those of an earlier report.

    A download has its SHA-256 in coral.yml, which `model_hash` holds, and need not be here.

    Raises:
        ConfigError, ModelError: as `sha256_of_source`.
    """
    if model.source.startswith(DOWNLOAD):
        return True
    return before.source.sha256 == sha256_of_source(model.source, paths)


def _same(
    model: ModelConfig, before: ModelReport, config: Config, *, compiled: bool | None
) -> bool:
    origin = before.placement and before.placement.origin
    return (
        before.status != "failed"
        and before.shard is None
        and before.config_sha256 == model_hash(model, config)
        and (compiled is None or origin == ("compiler" if compiled else "predicted"))
    )


def _touched(model: ModelConfig, paths: PathRules, changes: Changes) -> bool:
    """Whether a file of the model changed; code of the user's may read anything, so it counts."""
    if _runs_code(model.model_dump()):
        return True
    return any(
        changes.touch(place)
        for text in {*_texts(model.model_dump())}
        for place in _places(text, paths)
    )


def _runs_code(value: Any) -> bool:
    if isinstance(value, dict):
        return value.get("python") is not None or any(map(_runs_code, value.values()))
    return isinstance(value, list) and any(map(_runs_code, value))


def _texts(value: Any) -> Iterator[str]:
    """Every text in a model's part of coral.yml: each may be a path.

    One that is none hurts nobody, as no file of that name changes.
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from itertools.chain.from_iterable(map(_texts, value.values()))
    elif isinstance(value, list | tuple):
        yield from itertools.chain.from_iterable(map(_texts, value))


def _places(text: str, paths: PathRules) -> Iterator[Path]:
    """The file or folder that a text names, and all that it leads to."""
    if "\0" in text or len(text) > _MAX_PATH:
        return
    plain = Path(*itertools.takewhile(lambda part: not _GLOB & set(part), Path(text).parts))
    if plain.suffix.lower() == ".onnx" or plain.name == "saved_model.pb":
        plain = plain.parent  # weights lie beside it
    yield from _with_links(paths.base.resolve() / plain)
    listing = paths.base / text
    if listing.suffix.lower() in _LIST_SUFFIXES and listing.is_file():
        with listing.open("rb") as file:
            lines = os.fsdecode(file.read(_MAX_LIST_BYTES)).splitlines()
        for line in filter(None, map(str.strip, lines)):
            yield from _with_links(listing.resolve().parent / line)


def _with_links(path: Path) -> Iterator[Path]:
    """A path, where it leads to, and where links below it lead to."""
    path = Path(os.path.normpath(path))
    yield path
    resolved = path.resolve()
    if resolved != path:
        yield resolved
    for parent, folders, names in os.walk(resolved):
        for name in (*folders, *names):
            place = Path(parent) / name
            if place.is_symlink():
                yield place.resolve()
