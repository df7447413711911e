"""Each defence of the child, tried from inside, and the same attack without the defence."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")

NOBODY = 65534


def attack(code: str, policy: str = "Policy()", *, apply: bool = True, **options) -> str:
    """What an attack prints in a child of its own, with the sandbox or without it."""
    prologue = "from coral_action.sandbox import Policy, apply\n"
    if apply:
        prologue += f"strength = apply({policy})\nassert strength.essential, strength\n"
    finished = subprocess.run(
        [sys.executable, "-c", prologue + code],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )
    return finished.stdout + finished.stderr


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("the token")
    tmp_path.chmod(0o755)
    path.chmod(0o644)
    return path


READ = "print(open({!r}).read())"


def test_file_outside(secret: Path) -> None:
    code = READ.format(str(secret))
    assert "the token" in attack(code, apply=False)
    assert "the token" not in attack(code)
    assert "PermissionError" in attack(code)


def test_file_inside_can_be_read_but_not_written(secret: Path) -> None:
    policy = f"Policy(readable=({str(secret.parent)!r},))"
    assert "the token" in attack(READ.format(str(secret)), policy)
    assert "PermissionError" in attack(f"open({str(secret)!r}, 'a')", policy)
    assert "PermissionError" in attack(f"import os; os.unlink({str(secret)!r})", policy)


def test_link_inside_to_a_file_outside(secret: Path, tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "link").symlink_to(secret)
    policy = f"Policy(readable=({str(folder)!r},))"
    assert "PermissionError" in attack(READ.format(str(folder / "link")), policy)


def test_writable_folder(tmp_path: Path) -> None:
    policy = f"Policy(writable=({str(tmp_path)!r},))"
    assert attack(f"open({str(tmp_path / 'x')!r}, 'w').write('x')", policy) == ""
    assert (tmp_path / "x").read_text() == "x"
    script = tmp_path / "run"
    script.write_text("#!/bin/sh\necho ran\n")
    script.chmod(0o755)
    code = f"import subprocess; subprocess.run([{str(script)!r}])"
    assert "ran" in attack(code, apply=False)
    assert "PermissionError" in attack(code, policy)


CONNECT = "import socket; s = socket.socket({}); s.connect({}); print(s.recv(9))"


@pytest.mark.parametrize("family", ["AF_INET", "AF_UNIX"])
def test_no_socket(family: str, tmp_path: Path) -> None:
    with socket.socket(getattr(socket, family)) as server:
        address: object = str(tmp_path / "docker.sock")
        if family == "AF_INET":
            address = ("127.0.0.1", 0)
        server.bind(address)
        server.listen()
        address = server.getsockname()

        def answer() -> None:
            connection, _ = server.accept()
            connection.sendall(b"the token")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        code = CONNECT.format(f"socket.{family}", repr(address))
        assert "PermissionError" in attack(code, f"Policy(readable=({str(tmp_path)!r},))")
        assert "the token" in attack(code, apply=False)


ENVIRON = "print(open('/proc/{}/environ', 'rb').read())"


def test_environment_of_another_process() -> None:
    environment = {**os.environ, "GITHUB_TOKEN": "the-token"}
    command = [sys.executable, "-c", "import time; time.sleep(30)"]
    with subprocess.Popen(command, env=environment) as victim:
        code = ENVIRON.format(victim.pid)
        try:
            assert "the-token" in attack(code, apply=False)
            assert "the-token" not in attack(code)
        finally:
            victim.kill()


@pytest.mark.parametrize(
    "number", {"x86_64": (101, 310, 425, 438), "aarch64": (117, 270, 425, 438)}[os.uname().machine]
)
def test_calls_into_other_processes(number: int) -> None:
    code = (
        "import ctypes, errno\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"libc.syscall({number}, 0, 0, 0, 0, 0, 0)\n"
        "print(errno.errorcode.get(ctypes.get_errno()))"
    )
    assert attack(code).strip() == "EACCES"
    assert attack(code, apply=False).strip() != "EACCES"


def test_threads_and_children_have_the_same_limits(secret: Path) -> None:
    code = (
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {READ.format(str(secret))!r}])"
    )
    assert "the token" in attack(code, apply=False)
    assert "PermissionError" in attack(code)


def test_descriptors_are_closed(secret: Path) -> None:
    descriptor = os.open(secret, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    code = f"import os; print(os.read({descriptor}, 99))"
    try:
        assert "the token" in attack(code, apply=False, pass_fds=(descriptor,))
        assert "Bad file descriptor" in attack(code, pass_fds=(descriptor,))
    finally:
        os.close(descriptor)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_becomes_another_user_for_good(tmp_path: Path) -> None:
    policy = f"Policy(user={NOBODY}, group={NOBODY})"
    code = "import os; print(os.getresuid(), os.getresgid(), os.getgroups())\nos.setuid(0)"
    output = attack(code, policy)
    assert f"({NOBODY}, {NOBODY}, {NOBODY}) ({NOBODY}, {NOBODY}, {NOBODY}) []" in output
    assert "PermissionError" in output


def test_root_without_capabilities_is_no_root(secret: Path) -> None:
    code = "import os; os.setuid(12345); print('changed')"
    if os.geteuid() == 0:
        assert "changed" in attack(code, apply=False)
    assert "PermissionError" in attack(code)
    status = "print([l for l in open('/proc/self/status') if l.startswith('CapPrm')])"
    assert "CapPrm:\\t0000000000000000" in attack(status)
    started = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    assert "PermissionError" in attack(started)


def test_parent_hides_from_a_child_of_the_same_user() -> None:
    """As on a runner without root: parent and child have one user, the parent has the token."""
    code = """
import os, subprocess, sys
from coral_action.sandbox.process import drop_capabilities, hide_from_children
drop_capabilities()
if HIDE: hide_from_children()
child = "import os; print(open(f'/proc/{os.getppid()}/environ').read())"
subprocess.run([sys.executable, '-c', child])
"""
    environment = {**os.environ, "GITHUB_TOKEN": "the-token"}
    seen = attack(code.replace("HIDE", "False"), apply=False, env=environment)
    hidden = attack(code.replace("HIDE", "True"), apply=False, env=environment)
    assert "the-token" in seen
    assert "the-token" not in hidden
    assert "PermissionError" in hidden
