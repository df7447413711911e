"""What edgetpu_compiler printed or wrote, as plain data; every version from 1.0 to 16.0.

Nothing is lost: a line that no pattern knows is kept in `unknown`. What stands around the
compiler's own words in a recording (a shell's prompt, a notebook's heading, a wrapper's message)
is kept in `surrounding`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MAPPED = "Mapped to Edge TPU"

# The texts in the status column of the operator table (compilers 1.0 to 16.0).
STATUSES = (
    MAPPED,
    "More than one subgraph is not supported",
    "Operation not supported",
    "Operation is working on an unsupported data type",
    "Tensor has unsupported rank (up to 3 innermost dimensions mapped)",
    "Operation is otherwise supported, but not mapped due to some unspecified limitation",
    "Operation version not supported",
    "Filter, bias, or other param is not constant at compile-time",
    "For example, a fully-connected or softmax layer with 2D output",
)

_UNITS = {"B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
# ASCII digits, and so many as a count can have: anything else is no number of the compiler's.
_NUMBER = r"[0-9]{1,18}"
_SIZE = re.compile(rf"^({_NUMBER}(?:\.[0-9]{{1,9}})?)\s*([KMG]iB|B)$", re.I)


@dataclass(frozen=True)
class Size:
    """A size as the log has it. `bytes` is exact, or right to `rounding` bytes either way."""

    text: str
    bytes: int
    rounding: int = 0

    @property
    def exact(self) -> bool:
        """Whether the log said every byte."""
        return self.rounding == 0

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"text": self.text, "bytes": self.bytes, "exact": self.exact}


def parse_size(text: str) -> Size | None:
    """`64.00B` or `1.42MiB`; two decimals of a KiB or MiB are a rounded number of bytes."""
    match = _SIZE.match(text.strip())
    if match is None:
        return None
    unit = _UNITS[match[2].upper()]
    decimals = len(match[1].partition(".")[2])
    rounding = 0 if unit == 1 else -(-unit // (2 * 10**decimals))
    return Size(text.strip(), round(float(match[1]) * unit), rounding)


@dataclass(frozen=True)
class Row:
    """One row of the operator table: `count` operators of a kind share a status."""

    name: str
    count: int
    status: str


@dataclass
class ModelLog:
    """What the log says of one compiled model (or part); None where it says nothing."""

    input: str | None = None
    output: str | None = None
    input_size: Size | None = None
    output_size: Size | None = None
    on_chip_available: Size | None = None
    on_chip_used: Size | None = None
    on_chip_remaining: Size | None = None
    off_chip: Size | None = None
    subgraphs: int | None = None
    operators: int | None = None
    edge_tpu: int | None = None
    cpu: int | None = None
    operation_log: str | None = None
    rows: list[Row] = field(default_factory=list)

    @property
    def mapped(self) -> int | None:
        """How many operators were mapped, from whatever says so; None where nothing does."""
        if self.edge_tpu is not None:
            return self.edge_tpu
        if self.rows:
            return sum(row.count for row in self.rows if row.status == MAPPED)
        return 0 if self.subgraphs == 0 else None

    def to_json(self) -> dict[str, Any]:
        """Plain data, without what the log does not say."""
        sizes = {
            name: size.to_json() for name, size in vars(self).items() if isinstance(size, Size)
        }
        words = {name: word for name, word in vars(self).items() if isinstance(word, int | str)}
        rows = [vars(row) for row in self.rows]
        return {**words, **sizes, **({"rows": rows} if rows else {})}


@dataclass
class CompilerLog:
    """One run of the compiler, or one `.log` file."""

    version: str | None = None
    milliseconds: int | None = None  # the compiler's own count
    models: list[ModelLog] = field(default_factory=list)
    searched: list[int] = field(default_factory=list)  # operators in each try of a delegate search
    cuts: list[str] = field(default_factory=list)  # its "Intermediate tensors", one text a try
    messages: list[str] = field(default_factory=list)  # errors, and how it ended
    partly_mapped: bool = False  # it said that not all operators are supported
    has_table: bool = False
    together: bool = False  # several models were compiled together
    unknown: list[str] = field(default_factory=list)
    surrounding: list[str] = field(default_factory=list)
    cut_off: str = ""  # a last line that ends in the middle of a word the compiler uses

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "version": self.version,
            "milliseconds": self.milliseconds,
            "models": [model.to_json() for model in self.models],
            "searched": self.searched,
            "messages": self.messages,
            "unknown": self.unknown,
        }


def parse_log(text: str) -> CompilerLog:
    """Read standard output or a `.log` file. Never fails: what it can't read is in `unknown`."""
    log = CompilerLog()
    over, late = False, list[str]()  # unknown lines after an end may be another program's
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or _wrapper(stripped, log):
            continue
        if not any(read(stripped, log) for read in _READERS):
            (late if over else log.unknown).append(stripped)
            continue
        log.unknown += late
        over, late = bool(_ENDINGS.match(stripped) or _ROW.match(stripped)), []
    log.surrounding += late
    _settle_surrounding(log, text)
    if log.unknown and not text.endswith("\n") and _is_cut_off(log.unknown[-1]):
        log.cut_off = log.unknown.pop()
    return log


# --- one reader for each kind of line -------------------------------------------------------------

_VERSION = re.compile(r"^Edge TPU Compiler version (\S+)$")
_COMPILED = re.compile(rf"^Models? compiled successfully in ({_NUMBER}) ms[.!]?$")
_HEADER = re.compile(r"^Operator\s+Count\s+Status$")
_ROW = re.compile(rf"^([A-Z][A-Z0-9_]*)\s+({_NUMBER})\s+(\S.*)$")
_FILE = re.compile(r"\.(tflite|lite|tfl)$")
_TRY = re.compile(rf"^Try to compile segment with ({_NUMBER}) ops$")
_TIMER = re.compile(r"^Started a compilation timeout timer of \d+ seconds?\.$")
_SEARCH = re.compile(r"^Searching for valid delegate with step \d+$")
_NOTICE = (
    "Model successfully compiled but not all operations are supported by the Edge TPU. A percentage"
    " of the model will instead run on the CPU, which is slower. If possible, consider updating"
    " your model to use only operations supported by the Edge TPU. For details, visit"
    " g.co/coral/model-reqs."
)
_TEXTS = {"Input model": "input", "Output model": "output", "Operation log": "operation_log"}
_SIZES = {
    "Input size": "input_size",
    "Output size": "output_size",
    "On-chip memory available for caching model parameters": "on_chip_available",
    "On-chip memory used for caching model parameters": "on_chip_used",
    "On-chip memory remaining for caching model parameters": "on_chip_remaining",
    "Off-chip memory used for streaming uncached model parameters": "off_chip",
}
_COUNTS = {
    "Number of Edge TPU subgraphs": "subgraphs",
    "Total number of operations": "operators",
    "Number of operations that will run on Edge TPU": "edge_tpu",
    "Number of operations that will run on CPU": "cpu",
}
_PLAIN = (_TIMER, _SEARCH, re.compile(r"^See the operation log file for individual operation"))
_MESSAGES = re.compile(
    r"^(ERROR: |Compilation |Internal compiler error|Invalid model: |Model not quantized"
    r"|Model could not be parsed|The number of lists given|loc\(.*error:|.*\bterminat(ing|e called)"
    r"|.*Segmentation fault|.*Aborted\b|Killed$|Failed to |Could not |Cannot |error:)",
    re.I,
)
# After these a compilation is over; what follows in a recording is somebody else's.
_ENDINGS = re.compile(r"^(Compilation (succeeded|failed)!|See the operation log file)")
_NOTES = re.compile(r"^(INFO|WARNING|I\d{4}|W\d{4})\b")
_WRAPPERS = re.compile(
    r"^([$!>%#]|```|={5,}|-{5,}|\.+$|Running: |Edge TPU: |.*returned non-zero exit status)"
)


def _banner(line: str, log: CompilerLog) -> bool:
    if (match := _VERSION.match(line)) is None:
        return False
    log.version = log.version or match[1]
    return True


def _compiled(line: str, log: CompilerLog) -> bool:
    if (match := _COMPILED.match(line)) is None:
        return False
    log.milliseconds = int(match[1]) if log.milliseconds is None else log.milliseconds
    log.together = log.together or line.startswith("Models")
    return True


def _field(line: str, log: CompilerLog) -> bool:
    key, colon, value = line.partition(":")
    value = value.strip()
    if not colon or not value:
        return False
    if key in ("Input", "Output") and not _FILE.search(value):
        return False  # another program's words around a recording
    if key in ("Input model", "Input"):
        log.models.append(ModelLog(input=value))
        return True
    if key == "Output" or key in _TEXTS:
        setattr(_current(log), _TEXTS.get(key, "output"), value)
        return True
    if key in _SIZES and (size := parse_size(value)) is not None:
        setattr(_current(log), _SIZES[key], size)
        return True
    if key in _COUNTS and re.fullmatch(_NUMBER, value):
        setattr(_current(log), _COUNTS[key], int(value))
        return True
    return False


def _table(line: str, log: CompilerLog) -> bool:
    if _HEADER.match(line):
        log.has_table = True
        return True
    match = _ROW.match(line)
    # Outside of a table only a status that is known makes a row: "GPU 2 cores" is none.
    if match is None or not (log.has_table or match[3].strip() in STATUSES):
        return False
    _current(log).rows.append(Row(match[1], int(match[2]), match[3].strip()))
    return True


def _search(line: str, log: CompilerLog) -> bool:
    if (match := _TRY.match(line)) is not None:
        log.searched.append(int(match[1]))
        return True
    if line.startswith("Intermediate tensors:"):
        log.cuts.append(line.partition(":")[2].strip())
        return True
    return False


def _notice(line: str, log: CompilerLog) -> bool:
    # The paragraph may have been wrapped on its way here, so any part of it is the paragraph.
    if len(line) < 20 or " ".join(line.split()) not in _NOTICE:
        return False
    log.partly_mapped = True
    return True


def _plain(line: str, log: CompilerLog) -> bool:
    return any(pattern.match(line) for pattern in _PLAIN) or bool(_NOTES.match(line))


def _message(line: str, log: CompilerLog) -> bool:
    if not _MESSAGES.match(line):
        return False
    log.messages.append(line)
    return True


def _wrapper(line: str, log: CompilerLog) -> bool:
    if not _WRAPPERS.match(line):
        return False
    log.surrounding.append(line)
    return True


_READERS: tuple[Callable[[str, CompilerLog], bool], ...] = (
    _banner,
    _compiled,
    _field,
    _table,
    _search,
    _notice,
    _plain,
    _message,
)


def _current(log: CompilerLog) -> ModelLog:
    if not log.models:
        log.models.append(ModelLog())
    return log.models[-1]


def _settle_surrounding(log: CompilerLog, text: str) -> None:
    """Lines before the banner are not the compiler's: it prints its version first."""
    before, banner, _ = text.partition("Edge TPU Compiler version")
    if not banner:
        return
    early = {line.strip() for line in before.splitlines()}
    log.surrounding += [line for line in log.unknown if line in early]
    log.unknown = [line for line in log.unknown if line not in early]


_BEGINNINGS = (
    "Edge TPU Compiler version ",
    "Started a compilation timeout timer of ",
    "Searching for valid delegate with step ",
    "Try to compile segment with ",
    "Intermediate tensors: ",
    "Model compiled successfully in ",
    "See the operation log file for individual operation details.",
    *(f"{key}: " for key in (*_TEXTS, *_SIZES, *_COUNTS)),
)


def _is_cut_off(line: str) -> bool:
    return any(known.startswith(line) or line.startswith(known) for known in _BEGINNINGS)
