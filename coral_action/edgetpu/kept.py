"""What a compilation left, as plain data and files, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from coral_action.edgetpu.compiled_files import is_of, keep_files
from coral_action.edgetpu.compiler import Compiled
from coral_action.edgetpu.executable import read_compiled


def compiled_to_json(compiled: Compiled) -> dict[str, Any]:
    """Plain data of all but the compiled models, which are in the files; those by name."""
    fields = {name: value for name, value in vars(compiled).items() if name != "models"}
    data = asdict(Compiled(**{**fields, "models": ()}))
    data |= {"path": compiled.path.name, "log": compiled.log.name}
    data["paths"] = [path.name for path in compiled.paths]
    return data


def compiled_from_json(data: dict[str, Any], folder: Path) -> Compiled:
    """The inverse of `compiled_to_json`, for files in a folder.

    Raises:
        ModelError: if a file is no compiled model.
        ValueError: if the data are no such result.
    """
    from pydantic import TypeAdapter

    paths = [folder / Path(name).name for name in data["paths"]]
    return TypeAdapter(Compiled).validate_python(
        {
            **data,
            "path": folder / Path(data["path"]).name,
            "log": folder / Path(data["log"]).name,
            "paths": paths,
            "models": tuple(read_compiled(path) for path in paths),
        }
    )


def put_back(
    items: Sequence[dict[str, Any]], files: Mapping[str, Path], models: Sequence[Path]
) -> tuple[Compiled, ...]:
    """Kept files beside the models that they were compiled from, and what was said of them.

    Who made the entry is not known: it puts back no file of another name, and nothing is written
    before all of it was read.

    Args:
        items: what `compiled_to_json` gave, of each model.
        files: the kept files by name, all in one folder.
        models: the int8 models, in the same order.

    Raises:
        ModelError: if a file is no compiled model.
        CompilerError: if a file can't be written.
        ValueError: if the data are no such result, or the files not those that it names.
    """
    read, expected = [], set()
    for item, model in zip(items, models, strict=True):
        names = {*item["paths"], item["path"], item["log"]}
        if not item["paths"] or not all(name in files and is_of(name, model) for name in names):
            raise ValueError("files that no compilation of this model leaves")
        expected |= names
        read.append(compiled_from_json(item, files[item["log"]].parent))
    if expected != set(files):
        raise ValueError("files that belong to no model")
    made = []
    for compiled, model in zip(read, models, strict=True):
        folder = model.parent
        keep_files((*compiled.paths, compiled.log), folder)
        paths = tuple(folder / path.name for path in compiled.paths)
        log = folder / compiled.log.name
        made.append(replace(compiled, path=folder / compiled.path.name, log=log, paths=paths))
    return tuple(made)
