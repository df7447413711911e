"""The child's side of a crew: import everything, then wait for the request."""

from __future__ import annotations

import importlib
import json
import os
import time
from pathlib import Path
from typing import Any

from coral_action.isolation import ProgressCallback

_POLL_SECONDS = 0.004
_MODULES = {
    "observe": "coral_action.quantization.observation.worker",
    "quantize": "coral_action.quantization.engine",
}


def wait_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Run `<job>_task` of the job's module with the request that comes as a file.

    Args:
        request: `job`, a key of the table above, and `file`, where the request will appear; it is
            renamed into place, whole; `ready`, a file to make when the imports are done. An empty
            request ends the child without a result.
        progress: handed on.
    """
    task = getattr(importlib.import_module(_MODULES[request["job"]]), f"{request['job']}_task")
    _import_heavy(request["job"])
    file, parent = Path(request["file"]), os.getppid()
    if file.parent.is_dir():
        Path(request["ready"]).touch()
    while not file.exists():
        if os.getppid() != parent or not file.parent.is_dir():
            return {}  # nobody is left to send a request
        time.sleep(_POLL_SECONDS)
    wanted = json.loads(file.read_text(encoding="utf-8"))
    result: dict[str, Any] = task(wanted, progress) if wanted else {}
    return result


def _import_heavy(job: str) -> None:
    """What the task imports late, for the sake of modules that the parent imports too."""
    import ai_edge_litert.interpreter  # noqa: F401
    import flatbuffers  # noqa: F401

    from coral_action.tflite import schema

    schema()
    if job == "quantize":
        from coral_action.converter_api import converter_api

        converter_api()
