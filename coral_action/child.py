"""The child's side of `isolation`: the sandbox first, then the task, then result.json."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path

from coral_action.endings import OUT_OF_MEMORY, RESULT_FILE
from coral_action.errors import CoralQuantizeError
from coral_action.isolation import START_FILE, Json, ProgressCallback, Task
from coral_action.sandbox import Limits, Policy, apply

_TASKS = "coral_action."
_PROGRESS_SECONDS = 0.05


def child_main(arguments: list[str]) -> None:
    """Entry of the child process.

    Args:
        arguments: the scratch folder, which holds what the parent wrote with `write_start`, and the
            descriptor that progress goes to.
    """
    scratch, descriptor = Path(arguments[0]), int(arguments[1])
    start = json.loads((scratch / START_FILE).read_text(encoding="utf-8"))
    Limits(**start["limits"]).apply()
    # Before anything of the task is imported: libraries start threads, which would be left out.
    strength = apply(Policy.from_json(start["policy"]), frozenset({descriptor}))
    if os.getppid() != start["parent"]:
        os._exit(1)  # it ended before the kernel could be asked to say so
    with contextlib.suppress(OSError):
        os.write(descriptor, strength.to_line())
    try:
        task = _task(start["task"])
        reply: Json = {"result": task(start["request"], _progress_writer(descriptor))}
    except CoralQuantizeError as error:
        known = {"kind": error.kind, "message": error.message, "hint": error.hint}
        reply = {"error": {**known, "topic": error.topic}}
    except MemoryError:
        reply = {"error": {"kind": OUT_OF_MEMORY}}
    except (Exception, SystemExit) as error:  # some libraries exit where they should raise
        reply = {"error": {"kind": None, "message": _first_line(error)}}
        reply["error"]["traceback"] = traceback.format_exc()
    partial = scratch / f"{RESULT_FILE}.part"
    partial.write_text(json.dumps(reply), encoding="utf-8")
    partial.replace(scratch / RESULT_FILE)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # TensorFlow's and litert's destructors take time and sometimes crash.


def _task(name: str) -> Task:
    module, _, function = name.partition(":")
    if not module.startswith(_TASKS):
        raise ValueError(f"not a task of this package: {name}")
    found: Task = getattr(importlib.import_module(module), function)
    return found


def _progress_writer(descriptor: int) -> ProgressCallback:
    """Tells the parent, but not more often than people can see: each time wakes it up."""
    told = -_PROGRESS_SECONDS

    def write(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if done < total and now - told < _PROGRESS_SECONDS:
            return
        told = now
        with contextlib.suppress(OSError):
            os.write(descriptor, f"{done} {total}\n".encode())

    return write


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:500]}" if text else type(error).__name__
