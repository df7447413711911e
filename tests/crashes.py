"""Tasks that go wrong in every way a child process can; `coral_action.*` names only are tasks."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import Any


def answer(request: dict[str, Any], progress: Any) -> dict[str, Any]:
    """What the child sees of its surroundings."""
    progress(1, 2)
    return {
        "environment": dict(os.environ),
        "path": sys.path,
        "folder": os.getcwd(),  # noqa: PTH109
        "session": os.getsid(0) == os.getpid(),
        "request": request,
    }


def segfault(request: dict[str, Any], progress: Any) -> dict[str, Any]:
    ctypes.string_at(0)
    return {}


def abort(request: dict[str, Any], progress: Any) -> dict[str, Any]:
    os.abort()


def killed(request: dict[str, Any], progress: Any) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def hang(request: dict[str, Any], progress: Any) -> dict[str, Any]:
    # A grandchild that would outlive its parent, and tells where it is.
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(request["pid_file"], "w") as file:  # noqa: PTH123
        file.write(str(child.pid))
    time.sleep(600)
    return {}


def hoard(request: dict[str, Any], progress: Any) -> dict[str, Any]:
    return {"size": len(bytearray(2**32))}


def leave(request: dict[str, Any], progress: Any) -> dict[str, Any]:
    raise SystemExit("the library gave up")


def end(request: dict[str, Any], progress: Any) -> dict[str, Any]:
    os._exit(0)


def fill(request: dict[str, Any], progress: Any) -> dict[str, Any]:
    with open("large", "wb") as file:  # noqa: PTH123
        file.write(bytes(2**22))
    return {}


def forge(request: dict[str, Any], progress: Any) -> dict[str, Any]:
    """A child in a stranger's hands may write any answer."""
    with open("result.json", "w") as file:  # noqa: PTH123
        file.write(request["text"])
    os._exit(0)
