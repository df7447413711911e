"""The process that holds the token, as the action does, and the things that lie around it.

Usage: victim.py FOLDER TOKEN. The stranger's hook is in FOLDER/workspace. Prints JSON: what the
hook found from within the sandbox, and what it finds without.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from coral_action.errors import CoralQuantizeError
from coral_action.isolation import run_isolated, workspace


def main(folder: Path, token: str) -> None:
    root = folder / "workspace"
    runner = folder / "runner"
    runner.mkdir()
    for place in (".git", "src/.git", "deep/store", "worktree"):
        (root / place).mkdir(parents=True)
    (root / "worktree" / ".git").write_text("gitdir: ../deep/store\n")
    configs = [root / place / "config" for place in (".git", "src/.git", "deep/store")]
    for path in (runner / "event.json", *configs):
        path.write_text(token)
        path.chmod(0o644)
    (root / "link").symlink_to(runner / "event.json")
    commands = runner / "env"
    commands.touch()
    commands.chmod(0o666)
    descriptor = os.open(runner / "event.json", os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    memory = ctypes.create_string_buffer(token.encode())
    abstract = f"coral-test-{os.getpid()}"
    path = folder / "docker.sock"
    targets = {
        "pid": os.getpid(),
        "address": ctypes.addressof(memory),
        "length": len(token),
        "descriptor": descriptor,
        "file": str(runner / "event.json"),
        "commands": str(commands),
        "socket": str(path),
        "abstract": abstract,
        "port": serve(socket.AF_INET, ("127.0.0.1", 0), token)[1],
        "ring": token[::-1],  # reaching it counts; the hook must not hold the token itself
    }
    serve(socket.AF_UNIX, str(path), token)
    path.chmod(0o666)
    serve(socket.AF_UNIX, "\0" + abstract, token)
    put_key(token)
    (root / "targets.json").write_text(json.dumps(targets))
    inside = sandboxed(root)
    written = commands.read_text()
    free = subprocess.run(
        [sys.executable, root / "stranger.py"],
        pass_fds=(descriptor,),
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    found = {"inside": inside, "written": written, "outside": json.loads(free.stdout)}
    print(json.dumps(found))  # noqa: T201


def sandboxed(root: Path) -> str:
    """What the hook says from within: the message of the error it ends in."""
    request = {
        "section": "calibration",
        "data": {"python": "stranger.py:samples"},
        "preprocess": {},
        "paths": {"base": str(root), "root": str(root)},
        "inputs": [{"name": "x", "shape": [1, 8], "dtype": "float32"}],
        "count": 1,
        "output": str(root / "sheet.png"),
        "allow_custom_code": True,
    }
    try:
        task = "coral_action.data.preview:preview_task"
        run_isolated(task, request, stage="preview", reading=workspace(root))
    except CoralQuantizeError as error:
        return f"{error.message}\n{error.details}"
    return "no error"


def serve(family: int, address: object, token: str) -> tuple[str, int]:
    """Answer everybody with the token; where."""
    server = socket.socket(family)
    server.bind(address)
    server.listen()

    def answer() -> None:
        while True:
            connection, _ = server.accept()
            connection.sendall(token.encode())
            connection.close()

    threading.Thread(target=answer, daemon=True).start()
    return server.getsockname()


def put_key(token: str) -> None:
    """Into a session keyring of this process's own, where there are keys at all."""
    numbers = {"x86_64": (250, 248), "aarch64": (219, 217)}[os.uname().machine]
    libc = ctypes.CDLL(None)
    join, session = 1, ctypes.c_long(-3)
    libc.syscall(ctypes.c_long(numbers[0]), ctypes.c_long(join), None)
    content = token.encode()
    libc.syscall(
        ctypes.c_long(numbers[1]), b"user", b"coral-test-token", content, len(content), session
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
