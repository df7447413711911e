"""Work on a stranger's files happens in a child process: no token, a sandbox, limits.

A task is a function `coral_action.<module>:<name>` that takes a request and returns a result, both
plain JSON data; large things cross as files. The child may crash, hang, fill its memory or be in a
stranger's hands: the parent turns that into a one-line error that names the stage, and believes
nothing that the child left. What the child may touch is in docs/sandbox.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Self

from coral_action.children import CHILDREN, Child
from coral_action.endings import Ending, output_name
from coral_action.sandbox import (
    CHILD_GROUP,
    Limits,
    Policy,
    Reading,
    give_to_child,
    hide_from_children,
    next_user,
    show_to_children,
    workspace,
)
from coral_action.scratch import Scratch
from coral_action.watching import ProgressCallback, watch

__all__ = [
    "Json",
    "Limits",
    "ProgramResult",
    "ProgressCallback",
    "Reading",
    "Task",
    "programs_confined_to",
    "run_isolated",
    "run_program",
    "scratch_folder",
    "workspace",
]

Json = dict[str, Any]
Task = Callable[[Json, ProgressCallback], Json]

START_FILE = "start.json"
_PACKAGE_ROOT = Path(__file__).resolve().parent.parent
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT")
_FIXED_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # One result everywhere: oneDNN's float kernels round differently from one CPU to the next.
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "PYTHONHASHSEED": "0",
    # A child is one of several; threads of a matrix library would only get in each other's way.
    "OPENBLAS_NUM_THREADS": "1",
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
    # Samples of a few 100 kB come and go: their memory is kept, not fetched from the kernel anew.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
}
_SHOWN_OUTPUT_BYTES = 64 * 2**10
_IMPORT = "import sys; sys.path.append(sys.argv[1]);"
# Threads count here: libraries start one for each core, several times over.
_THREADS, _THREADS_PER_CORE = 1024, 64


@contextmanager
def scratch_folder(what: str = "") -> Iterator[Path]:
    """A temporary folder of the parent's, in which children may read if they are told to.

    `what`, in small letters, is for people who look for it.
    """
    with Scratch(what) as name:
        folder = Path(name)
        show_to_children(folder)
        yield folder


def run_isolated(
    task: str,
    request: Json,
    *,
    stage: str,
    limits: Limits | None = None,
    on_progress: ProgressCallback | None = None,
    reading: Reading | None = None,
    writable: Sequence[Path] = (),
    outputs: Mapping[str, Path] | None = None,
) -> Json:
    """Run `task` in a child process and return its result.

    Args:
        task: `module:function` inside this package.
        request: plain JSON data; paths in it must be absolute.
        stage: the user's word for it, for errors: "loading", "calibration".
        limits: time, memory and file size.
        on_progress: called with (done, total) as the child gets on.
        reading: files that the child may read; without it, this program and the system alone.
        writable: folders of the parent's that this child alone may write into, beside the private
            scratch folder that is its HOME, TMPDIR and working folder. Open with `output_files`
            only what is in them then.
        outputs: files that the task makes, by their keys in the request: the child finds there a
            path in its scratch folder, and what it leaves becomes the file that is named here.

    Raises:
        CoralQuantizeError: the error that the task raised.
        StageCrashError: the child died, ran out of time or memory, or failed unforeseen.
        StoppedError: the run was stopped.
    """
    limits, outputs = limits or Limits(), outputs or {}
    with _Scratch() as scratch:
        policy = scratch.policy(reading or Reading(), writable)
        write_start(scratch.path, task, request, limits, policy, outputs)
        code = _IMPORT + "from coral_action.child import child_main; child_main(sys.argv[2:])"
        # -P: never import a module from the folder that the stranger controls.
        words = [sys.executable, "-P", "-c", code, str(_PACKAGE_ROOT), str(scratch.path)]
        with _Pipe() as pipe:
            words.append(str(pipe.write_end))
            with CHILDREN.running(lambda: scratch.start(words, pipe)) as child:
                watched = watch(child, pipe.read_end, limits.seconds, on_progress)
        output = scratch.tail(_SHOWN_OUTPUT_BYTES)
        ending = Ending(
            scratch.descriptor, child.returncode, watched.stopped, output, stage, limits
        )
        return ending.collect(outputs)


def write_start(
    folder: Path,
    task: str,
    request: Json,
    limits: Limits,
    policy: Policy,
    outputs: Mapping[str, Path],
    parent: int | None = None,
) -> None:
    """Write down for a child what it is to do; arguments as of `run_isolated`.

    `parent` is the process that starts it, if that is another one: it ends with that.
    """
    made = {key: str(folder / output_name(key, target)) for key, target in outputs.items()}
    start = {
        "task": task,
        "request": {**request, **made},
        "limits": limits.to_json(),
        "policy": policy.to_json(),
    }
    _write(folder / START_FILE, start, parent or os.getpid())


def _write(path: Path, start: Json, parent: int) -> None:
    path.write_text(json.dumps({**start, "parent": parent}), encoding="utf-8")
    path.chmod(0o644)  # its folder keeps others out; the child may be another user


@dataclass(frozen=True)
class ProgramResult:
    """How a program ended, and what it printed (standard output and error together)."""

    returncode: int
    output: str
    timed_out: bool


def run_program(
    command: Sequence[str],
    *,
    seconds: float,
    keep_bytes: int = _SHOWN_OUTPUT_BYTES,
    reading: Reading | None = None,
    writable: Sequence[Path] = (),
) -> ProgramResult:
    """Run a foreign program as a child: same environment, sandbox, process group and end.

    Of its output, the last `keep_bytes` are kept. `reading` and `writable` are as of
    `run_isolated`. Beside them, the program reads what lies in its own folder and in the workspace
    (`programs_confined_to`, or the runner's; without one, what the user can read), and may use the
    system's folder for temporary files: nobody knows where a closed program puts its own.

    Raises:
        OSError: if it can't be started.
        StoppedError: the run was stopped.
    """
    limits = Limits(seconds=seconds)
    with _Scratch() as scratch:
        program = Path(shutil.which(command[0]) or command[0]).absolute()
        own = (sys.prefix, sys.base_prefix, program.parent, program.resolve().parent)
        everywhere = workspace(_program_root())
        policy = scratch.policy(everywhere.and_also(*(reading or Reading()).readable), writable)
        policy = replace(
            policy,
            runnable=(*policy.runnable, *map(str, own)),
            shared=(tempfile.gettempdir(),),
        )
        code = _IMPORT + "from coral_action.sandbox.launch import main; main(sys.argv[2:])"
        start = scratch.path / START_FILE
        _write(start, {"policy": policy.to_json(), "limits": limits.to_json()}, os.getpid())
        words = [sys.executable, "-I", "-S", "-c", code, str(_PACKAGE_ROOT), str(start)]
        with _Pipe() as pipe:
            words += [str(pipe.write_end), *command]
            with CHILDREN.running(lambda: scratch.start(words, pipe)) as child:
                watched = watch(child, pipe.read_end, seconds)
        if watched.cant_start:
            raise OSError(watched.cant_start, os.strerror(watched.cant_start), command[0])
        # A crowd that had to be stopped is as good as one that would not end.
        return ProgramResult(child.returncode, scratch.tail(keep_bytes), bool(watched.stopped))


_ROOTS: list[Path] = []


@contextmanager
def programs_confined_to(root: Path | None) -> Iterator[None]:
    """Until the end, foreign programs read no more than this workspace; None changes nothing.

    It holds for all threads: a process works for one workspace.
    """
    given = [] if root is None else [root.resolve()]
    _ROOTS.extend(given)
    try:
        yield
    finally:
        for folder in given:
            _ROOTS.remove(folder)


def _program_root() -> Path | None:
    named = os.environ.get("GITHUB_WORKSPACE")
    return _ROOTS[-1] if _ROOTS else Path(named) if named else None


class _Pipe:
    """A pipe from a child; its writing end is closed once the child has it."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self._open = {self.read_end, self.write_end}

    def handed_on(self) -> None:
        """Close the writing end here, so that the child's is the last."""
        self._close(self.write_end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for descriptor in (self.read_end, self.write_end):
            self._close(descriptor)

    def _close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.remove(descriptor)
            os.close(descriptor)


class _Scratch:
    """The private folder of one child, and the child that works there.

    Names in it are the child's; the parent goes by the descriptors that it opened before.
    """

    def __init__(self) -> None:
        self._folder = Scratch()
        self.path = Path(self._folder.name)
        self.descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._output: IO[bytes] = (self.path / "output.log").open("w+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._output.close()
        os.close(self.descriptor)
        self._folder.cleanup()

    def policy(self, reading: Reading, writable: Sequence[Path]) -> Policy:
        """What the child may do; the folders that it may write become its own."""
        # On somebody's own machine, children read what their user can, so they are that user; and
        # they may run what they may read: a function of theirs can need a tool.
        anything = [path for path in reading.readable if path == Path("/")]
        user = None if anything else next_user()
        try:
            for folder in (self.path, *writable):
                give_to_child(folder, user)
        except OSError:  # a number that this container's users do not reach to
            user = None
            for folder in (self.path, *writable):
                give_to_child(folder, os.geteuid())
        self.path.chmod(0o700)
        return Policy(
            readable=tuple(map(str, reading.readable)),
            writable=tuple(map(str, (self.path, *writable))),
            runnable=tuple(map(str, anything)),
            listable=tuple(map(str, reading.listable)),
            user=user,
            group=None if user is None else CHILD_GROUP,
            processes=_THREADS + _THREADS_PER_CORE * (os.cpu_count() or 1),
        )

    def start(self, command: Sequence[str], pipe: _Pipe) -> Child:
        """Start the child: no token, no input, no descriptor but the pipe's."""
        hide_from_children()
        child = subprocess.Popen(
            command,
            cwd=self.path,
            env=_child_environment(str(self.path)),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            pass_fds=(pipe.write_end,),
            start_new_session=True,
        )
        pipe.handed_on()
        return child

    def tail(self, keep_bytes: int) -> str:
        """The end of what the child printed, as text, whatever bytes are in it."""
        size = os.fstat(self._output.fileno()).st_size
        self._output.seek(max(0, size - keep_bytes))
        return self._output.read(keep_bytes).decode("utf-8", "replace")


def _child_environment(folder: str) -> dict[str, str]:
    """An allow-list, so that no token or runner file is in it."""
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    return {**kept, **_FIXED_ENVIRONMENT, "HOME": folder, "TMPDIR": folder}
