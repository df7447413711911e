"""A filter of system calls: no network, no other process's memory, no way out of the group.

It is a classic BPF program (seccomp(2), linux/filter.h), because Python has no binding that needs
no system library. Calls that are refused fail with EACCES, as any call may.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from dataclasses import dataclass

from coral_action.sandbox.kernel import (
    PR_SET_NO_NEW_PRIVS,
    PR_SET_SECCOMP,
    KernelError,
    number,
    prctl,
)

_SECCOMP_MODE_FILTER = 2
_LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_GREATER_EQUAL = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_JUMP_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000
_OFFSET_NUMBER = 0
_OFFSET_ARCH = 4
_OFFSET_FIRST_ARGUMENT = 16  # its lower half: the machines below are little-endian
_X32 = 0x40000000  # the x32 calls of x86-64 have numbers from here on: a way around, so refused
# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET of linux/sched.h.
_NEW_NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x70000000

# Sockets of every kind, the memory and descriptors of others, mounts, namespaces, keys, and parts
# of the kernel that nobody needs here and that have been ways into it.
_REFUSED = (
    "socket",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "mount",
    "umount2",
    "unshare",
    "setns",
    "keyctl",
    "add_key",
    "request_key",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "open_by_handle_at",
    "kcmp",
    "io_uring_setup",
    "pidfd_getfd",
)
# They seem to succeed and do nothing: the parent ends a child by its process group, so nobody may
# leave it; but a program that wants a group of its own goes on without one.
_PRETENDED = ("setsid", "setpgid")


@dataclass(frozen=True)
class _Calls:
    """One instruction set: AUDIT_ARCH of linux/audit.h, and the numbers of its calls.

    Numbers are from the kernel's tables: arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl,
    include/uapi/asm-generic/unistd.h, arch/arm/tools/syscall.tbl.
    """

    arch: int
    refused: tuple[int, ...]  # in the order of _REFUSED, then what only this one has
    pretended: tuple[int, ...]
    clone: int
    clone3: int = 435


# fmt: off
_X86_64 = _Calls(
    0xC000003E,
    (41, 101, 310, 311, 165, 166, 272, 308, 250, 248, 249, 321, 298, 323, 304, 312, 425, 438),
    (112, 109), 56,
)
_I386 = _Calls(  # socketcall is its other way to a socket
    0x40000003,
    (359, 26, 347, 348, 21, 52, 310, 346, 288, 286, 287, 357, 336, 374, 342, 349, 425, 438, 102),
    (66, 57), 120,
)
_ARM64 = _Calls(
    0xC00000B7,
    (198, 117, 270, 271, 40, 39, 97, 268, 219, 217, 218, 280, 241, 282, 265, 272, 425, 438),
    (157, 154), 220,
)
_ARM = _Calls(
    0x40000028,
    (281, 26, 376, 377, 21, 52, 337, 375, 311, 309, 310, 386, 364, 388, 371, 378, 425, 438, 102),
    (66, 57), 120,
)
# fmt: on
# What programs of each kind of machine can run: its own calls first, then those of 32 bits.
_MACHINES = {"x86_64": (_X86_64, _I386), "aarch64": (_ARM64, _ARM)}


def program(machine: str) -> bytes:
    """The BPF program for a machine.

    Raises:
        KernelError: if its calls are not known here.
    """
    if machine not in _MACHINES:
        raise KernelError(f"no table of system calls for {machine}")
    code = [_instruction(_LOAD_WORD, _OFFSET_ARCH)]
    for calls in _MACHINES[machine]:
        rules = _rules(calls, machine)
        code += [_instruction(_JUMP_EQUAL, calls.arch, skip_if_false=len(rules)), *rules]
    code.append(_instruction(_RETURN, _KILL_PROCESS))
    return b"".join(code)


def _rules(calls: _Calls, machine: str) -> list[bytes]:
    """What to do with each call of an instruction set; ends with a return."""
    refuse = _instruction(_RETURN, _ERRNO | errno.EACCES)
    rules = [_instruction(_LOAD_WORD, _OFFSET_NUMBER)]
    if machine == "x86_64":
        rules += [_instruction(_JUMP_GREATER_EQUAL, _X32, skip_if_false=1), refuse]
    for call in calls.refused:
        rules += [_instruction(_JUMP_EQUAL, call, skip_if_false=1), refuse]
    for call in calls.pretended:
        nothing = _instruction(_RETURN, _ERRNO)
        rules += [_instruction(_JUMP_EQUAL, call, skip_if_false=1), nothing]
    # Its flags lie in memory, where a filter can't look; C libraries fall back to clone.
    unknown = _instruction(_RETURN, _ERRNO | errno.ENOSYS)
    rules += [_instruction(_JUMP_EQUAL, calls.clone3, skip_if_false=1), unknown]
    return [
        *rules,
        _instruction(_JUMP_EQUAL, calls.clone, skip_if_false=3),
        _instruction(_LOAD_WORD, _OFFSET_FIRST_ARGUMENT),
        _instruction(_JUMP_ANY_BIT, _NEW_NAMESPACES, skip_if_false=1),
        refuse,
        _instruction(_RETURN, _ALLOW),
    ]


def _instruction(code: int, value: int, skip_if_true: int = 0, skip_if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, skip_if_true, skip_if_false, value)


def restrict_calls() -> None:
    """Apply the filter to this process and all that it starts.

    Raises:
        KernelError: if the kernel has no filters, or the machine is not known here.
    """
    content = program(os.uname().machine)
    buffer = ctypes.create_string_buffer(content, len(content))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    prctl(PR_SET_NO_NEW_PRIVS, number(1))
    loaded = Program(len(content) // 8, ctypes.addressof(buffer))
    prctl(PR_SET_SECCOMP, number(_SECCOMP_MODE_FILTER), ctypes.byref(loaded))
