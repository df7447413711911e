"""A filter of system calls: no network, no other process's memory, no way around the sandbox.

It is a classic BPF program (seccomp(2), linux/filter.h), because Python has no binding that needs
no system library. Calls that are refused fail with EACCES, as any call may.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

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
_RETURN = 0x06  # BPF_RET | BPF_K
_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000
_OFFSET_NUMBER = 0
_OFFSET_ARCH = 4
_X32 = 0x40000000  # the x32 calls of x86-64 have numbers from here on: a way around, so refused

# Numbers from the kernel's syscall tables (arch/x86/entry/syscalls/syscall_64.tbl and
# include/uapi/asm-generic/unistd.h).
_X86_64 = {
    "socket": 41,
    "ptrace": 101,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "mount": 165,
    "umount2": 166,
    "unshare": 272,
    "setns": 308,
    "keyctl": 250,
    "add_key": 248,
    "request_key": 249,
    "bpf": 321,
    "perf_event_open": 298,
    "userfaultfd": 323,
    "open_by_handle_at": 304,
    "kcmp": 312,
    "io_uring_setup": 425,
    "pidfd_getfd": 438,
}
_ARM64 = {
    "socket": 198,
    "ptrace": 117,
    "process_vm_readv": 270,
    "process_vm_writev": 271,
    "mount": 40,
    "umount2": 39,
    "unshare": 97,
    "setns": 268,
    "keyctl": 219,
    "add_key": 217,
    "request_key": 218,
    "bpf": 280,
    "perf_event_open": 241,
    "userfaultfd": 282,
    "open_by_handle_at": 265,
    "kcmp": 272,
    "io_uring_setup": 425,
    "pidfd_getfd": 438,
}
# machine: (AUDIT_ARCH of linux/audit.h, numbers)
_MACHINES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _ARM64)}


def program(machine: str) -> bytes:
    """The BPF program for a machine.

    Raises:
        KernelError: if its calls are not known here.
    """
    if machine not in _MACHINES:
        raise KernelError(f"no table of system calls for {machine}")
    arch, calls = _MACHINES[machine]
    refuse = _instruction(_RETURN, _ERRNO | errno.EACCES)
    code = [
        _instruction(_LOAD_WORD, _OFFSET_ARCH),
        _instruction(_JUMP_EQUAL, arch, skip_if_true=1),
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LOAD_WORD, _OFFSET_NUMBER),
    ]
    if machine == "x86_64":
        code += [_instruction(_JUMP_GREATER_EQUAL, _X32, skip_if_false=1), refuse]
    for call in calls.values():
        code += [_instruction(_JUMP_EQUAL, call, skip_if_false=1), refuse]
    code.append(_instruction(_RETURN, _ALLOW))
    return b"".join(code)


def _instruction(code: int, value: int, skip_if_true: int = 0, skip_if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, skip_if_true, skip_if_false, value)


def restrict_calls() -> None:
    """Apply the filter to this process and all that it starts.

    Raises:
        KernelError: if the kernel has no filters, or the machine is not known here.
    """
    content = program(platform.machine())
    buffer = ctypes.create_string_buffer(content, len(content))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    prctl(PR_SET_NO_NEW_PRIVS, number(1))
    loaded = Program(len(content) // 8, ctypes.addressof(buffer))
    prctl(PR_SET_SECCOMP, number(_SECCOMP_MODE_FILTER), ctypes.byref(loaded))
