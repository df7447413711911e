"""The child's side of a crew: import everything, then wait for the request.

Those that observe decode images meanwhile.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from coral_action.data import EarlyImages
from coral_action.isolation import ProgressCallback

_POLL_SECONDS = 0.004
_MODULES = {
    "observe": "coral_action.quantization.observation.worker",
    "quantize": "coral_action.quantization.engine",
}


def wait_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Run `<job>_task` of the job's module with the request that comes as a file.

    Args:
        request: `job`, a key of the table above; `file`, where the request will appear; it is
            renamed into place, whole; `ready`, a file to make when the imports are done; `early`,
            as of `_in_turn`, if images may be decoded. An empty request ends the child without a
            result.
        progress: handed on.
    """
    task = getattr(importlib.import_module(_MODULES[request["job"]]), f"{request['job']}_task")
    _import_heavy(request["job"])
    file, parent = Path(request["file"]), os.getppid()
    if file.parent.is_dir():
        Path(request["ready"]).touch()
    decoding: Iterator[bool] = iter(())
    if wanted_early := request.get("early"):
        early = EarlyImages()
        decoding, task = _in_turn(early, wanted_early), partial(task, early=early)
    while not file.exists():
        if os.getppid() != parent or not file.parent.is_dir():
            return {}  # nobody is left to send a request
        if not next(decoding, False):
            time.sleep(_POLL_SECONDS)
    wanted = json.loads(file.read_text(encoding="utf-8"))
    result: dict[str, Any] = task(wanted, progress) if wanted else {}
    return result


def _in_turn(early: EarlyImages, request: dict[str, Any]) -> Iterator[bool]:
    """Decode one image at a step; whether this was one.

    Args:
        early: where images go.
        request: as of `EarlyImages.decode`; `after`, files that are there when it is this child's
            turn; `done`, a file to make when it is the next one's.
    """
    while not all(Path(path).exists() for path in request["after"]):
        yield False
    for _ in early.decode(request):
        yield True
    Path(request["done"]).touch()


def _import_heavy(job: str) -> None:
    """What the task imports late, for the sake of modules that the parent imports too."""
    import ai_edge_litert.interpreter  # noqa: F401
    import flatbuffers  # noqa: F401

    from coral_action.tflite import schema

    schema()
    if job == "quantize":
        from coral_action.converter_api import converter_api

        converter_api()
