"""What a compilation left, as plain data and files, and back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

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
