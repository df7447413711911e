"""Folders as the jobs of a matrix leave them, written by hand: no model is run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from coral_action.evaluation import Shard, ShardFile

from .measured import MadeUp

Plain = dict[str, Any]
TOOLS = {"coral-quantize": "0.1.0", "python": "3.11.7", "tensorflow": "2.21.0"}
CASE = MadeUp("classes", 20, 3)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def model(name: str, folder: Path, int8: bytes = b"int8", **more: Any) -> Plain:
    """A model that was made, with its file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}_int8.tflite").write_bytes(int8)
    return {
        "name": name,
        "status": "ok",
        "source": {"path": name, "format": "keras", "sha256": sha256(name.encode())},
        "sizes": {"float_bytes": 4000, "int8_bytes": 1000},
        "limits": [{"name": "int8_size", "limit": 2000, "value": 1000, "passed": True, "line": 9}],
        "files": {"int8": f"coral-output/{name}_int8.tflite"},
        "seconds": {"loading": 1.0, "evaluation": 2.0, "total": 4.0},
        "line": 3,
        **more,
    }


def shard(
    name: str, folder: Path, text: str, *, int8: bytes = b"int8", case: MadeUp = CASE
) -> Plain:
    """One shard of a model's evaluation, with its file."""
    own = Shard.parse(text)
    made = model(name, folder, int8)
    path = folder / own.file_name(name)
    places = range(case.count)[own.index - 1 :: own.count] if own.index else range(0)
    gathered = case.part(places) if own.index else None
    ShardFile(case.scoring, gathered, None).write(path)
    made["shard"] = {
        "index": own.index,
        "count": own.count,
        "int8_sha256": sha256(int8),
        "file": path.name,
        "sha256": sha256(path.read_bytes()),
        "samples": len(places),
        "lines": {"accuracy_drop": 11},
    }
    return made


def failed(name: str, text: str = "", message: str = "no such file") -> Plain:
    """A model that could not be made, or a shard of one."""
    made: Plain = {"name": name, "status": "failed", "source": {"path": name}}
    made["error"] = {"kind": "data", "message": message, "hint": "look"}
    if text:
        own = Shard.parse(text)
        made["shard"] = {"index": own.index, "count": own.count}
    return made


def write(folder: Path, *models: Plain, order: str = "abcd", **more: Any) -> Path:
    """The job's report; `order` has the names of all models of coral.yml, a letter each."""
    folder.mkdir(parents=True, exist_ok=True)
    report = {
        "schema_version": 1,
        "tool": TOOLS,
        "models": list(models),
        "created": "2026-11-23T12:00:00Z",
        "config_file": "coral.yml",
        "config": {"sha256": "c" * 64, "models": list(order), "ignore": []},
        **more,
    }
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def plan(path: Path, *models: Plain) -> Path:
    """A plan of the same coral.yml."""
    data = {"config_sha256": "c" * 64, "config_file": "coral.yml", "models": list(models)}
    path.write_text(json.dumps({**data, "jobs": []}))
    return path
