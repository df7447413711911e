#!/usr/bin/env python3
# ruff: noqa: T201
"""A stand-in for edgetpu_compiler, for tests. It is not the compiler and compiles nothing.

It takes the same options, prints the same texts, ends with the same status and leaves files of the
same form as recordings of the real one show; the Edge TPU part of its files is made up. A JSON
file chooses how it behaves (`--stand-in FILE`, see `BEHAVIOUR`).
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

if not {"--version", "-v"} & set(sys.argv):  # what only prints need not wait for numpy
    import edgetpu_package as package

    from coral_action.edgetpu.partition import partition
    from coral_action.tflite import pack, read_model, schema, unpack

BEHAVIOUR: dict[str, Any] = {
    "version": "16.0.384591198",
    "cpu": ["ARG_MAX", "DEQUANTIZE", "LEAKY_RELU", "CAST", "CUSTOM:TFLite_Detection_PostProcess"],
    "fail_on": [],  # names of output tensors whose operator makes the compilation fail
    "how": "large_activation",  # or ice, silent, internal, out_of_range, segfault, version, nothing
    "fail_together": False,  # fail only when all of fail_on are in the model
    "crash_first": 0,  # so many runs fail with an internal compiler error, whatever the model
    "seconds": 0.0,  # time that a compilation takes
    "hang": False,  # ignore the timer, with a child process of its own
    "runs": None,  # file to which the command line of every run is appended
    "extra_output": "",  # printed as it is, after the banner
    "no_file": False,  # say that all is well, and leave no file
    "damaged_file": False,
}
STATUS = "Operation is otherwise supported, but not mapped due to some unspecified limitation"
REASONS = {
    "large_activation": [
        "ERROR: Restored original execution plan after delegate application failure.",
        "Compilation failed: Compilation failed due to large activation tensors in model.",
    ],
    "internal": [
        "ERROR: Restored original execution plan after delegate application failure.",
        "Compilation failed: Internal error.",
    ],
    "out_of_range": [
        "libc++abi: terminating with uncaught exception of type std::out_of_range: vector"
    ],
    "silent": [],
}


def main(arguments: list[str]) -> int:
    behaviour = dict(BEHAVIOUR)
    if arguments[:1] == ["--stand-in"]:
        behaviour |= json.loads(Path(arguments[1]).read_text(encoding="utf-8"))
        arguments = arguments[2:]
    options, models = parse(arguments)
    banner = f"Edge TPU Compiler version {behaviour['version']}"
    if options.get("version"):
        print(banner)
        return 0
    if options.get("help") or not models:
        print(f"{banner}\n\nUsage:\nedgetpu_compiler [options] model...")
        return 0 if options.get("help") else 1
    return Compiler(behaviour, options, banner).run([Path(model) for model in models])


LONG = {
    "h": "help", "v": "version", "s": "show_operations", "o": "out_dir",
    "m": "min_runtime_version", "n": "num_segments", "i": "intermediate_tensors",
    "a": "enable_multiple_subgraphs", "d": "search_delegate", "k": "delegate_search_step",
    "t": "timeout_sec",
}  # fmt: skip
FLAGS = {"help", "version", "show_operations", "enable_multiple_subgraphs", "search_delegate"}


def parse(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """Short flags combine (`-sd`), long ones take `--name value` or `--name=value`."""
    options: dict[str, str] = {}
    models: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            names = [name]
            if equals:
                options[name] = value
                continue
        elif word.startswith("-") and len(word) > 1:
            names = [LONG.get(letter, letter) for letter in word[1:]]
        else:
            models.append(word)
            continue
        for name in names:
            if name not in LONG.values():
                print(f"ERROR: Unknown command line flag '{name}'")
                raise SystemExit(1)
            options[name] = "true" if name in FLAGS else rest.pop(0)
    return options, models


class Compiler:
    def __init__(self, behaviour: dict[str, Any], options: dict[str, str], banner: str) -> None:
        self.behaviour, self.options = behaviour, options
        self.major = int(behaviour["version"].partition(".")[0])
        self.folder = Path(options.get("out_dir", "."))
        self.token = secrets.token_bytes(8)
        print(banner, flush=True)

    def run(self, models: list[Path]) -> int:
        number = self._record()
        if self.behaviour["extra_output"]:
            sys.stdout.buffer.write(self.behaviour["extra_output"].encode("latin-1"))
            sys.stdout.flush()
        if number <= self.behaviour["crash_first"]:
            print("\nInternal compiler error. Aborting!")
            return 1
        if self.behaviour["hang"]:
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            time.sleep(60)
        lists = self.options.get("intermediate_tensors", "").split(":")
        if self.options.get("intermediate_tensors") and len(lists) != len(models):
            print(
                "The number of lists given to intermediate_tensors doesn't match the number of "
                "input models."
            )
            return 1
        statuses = []
        for model, tensors in zip(models, [*lists, *[""] * len(models)], strict=False):
            segments = int(self.options.get("num_segments", "1"))
            parts = (
                cut_in_segments(model, segments) if segments > 1 else [(model, model.read_bytes())]
            )
            statuses += [
                self._one(path, content, tensors, len(models) > 1) for path, content in parts
            ]
        return max(statuses)

    def _record(self) -> int:
        if self.behaviour["runs"] is None:
            return self.behaviour["crash_first"] + 1
        runs = Path(self.behaviour["runs"])
        with runs.open("a", encoding="utf-8") as file:
            file.write(json.dumps(sys.argv[1:]) + "\n")
        return len(runs.read_text(encoding="utf-8").splitlines())

    def _one(self, path: Path, content: bytes, tensors: str, together: bool) -> int:
        model = read_model(content)
        if self.major >= 16 and not self.options.get("search_delegate"):
            print(f"Started a compilation timeout timer of {self._timeout()} seconds.")
        if not self.options.get("search_delegate"):
            return self._try(path, content, model, tensors.split(",") if tensors else [], together)
        step = int(self.options.get("delegate_search_step", "1"))
        print(f"Searching for valid delegate with step {step}")
        for count in range(len(model.operators), 0, -step):
            print(f"Try to compile segment with {count} ops")
            ends = []
            if count < len(model.operators):
                ends = list(dict.fromkeys(edge_tensors(model, count)))
                print(f"Intermediate tensors: {','.join(ends)}")
            print(f"Started a compilation timeout timer of {self._timeout()} seconds.")
            if self._try(path, content, model, ends, together, count) == 0:
                return 0
        return 1

    def _timeout(self) -> int:
        return int(self.options.get("timeout_sec", "180"))

    def _try(self, path, content, model, ends, together, count=None) -> int:
        count = len(model.operators) if count is None else count
        seconds = self.behaviour["seconds"]
        if self.major >= 16 and seconds > self._timeout():
            time.sleep(self._timeout())
            print("Compilation timeout. This is usually caused by large activations.")
            print("Compilation failed! ")
            return 1
        time.sleep(seconds)
        considered = set(range(count)) - after(model, ends)
        names = {model.tensors[i].name for n in considered for i in model.operators[n].outputs}
        guilty = [name for name in self.behaviour["fail_on"] if name in names]
        whole = len(guilty) == len(self.behaviour["fail_on"])
        if guilty and (whole or not self.behaviour["fail_together"]):
            return self._fail(path)
        self._succeed(path, content, model, considered, together)
        return 0

    def _fail(self, path: Path) -> int:
        how = self.behaviour["how"]
        if how == "nothing":
            return 1
        if how == "segfault":
            print("/usr/bin/edgetpu_compiler: line 3: 12 Segmentation fault (core dumped) ${d}/x")
            return 139
        if how == "version":
            print("ERROR: Didn't find op for builtin opcode 'CONV_2D' version '6'\n")
            print(
                f"ERROR: Registration failed.\n\nInvalid model: {path}\nModel could not be parsed"
            )
            return 1
        if how == "ice" or self.major < 16:
            print("\nInternal compiler error. Aborting! ")
            return 1
        print(*REASONS[how], sep="\n")
        print("Compilation child process completed within timeout period.\nCompilation failed! ")
        return 1

    def _succeed(self, path, content, model, considered, together) -> None:
        mappable = [
            o.index in considered
            and o.name not in self.behaviour["cpu"]
            and self._runtime_fits(o, model)
            for o in model.operators
        ]
        parts = partition(model.operators, mappable)
        chosen = [part for part in parts if part.mapped]
        if not self.options.get("enable_multiple_subgraphs"):
            chosen = chosen[:1]
        output = self.folder / f"{path.stem}_edgetpu.tflite"
        cached = sum(len(t.data) for t in model.tensors if t.data is not None) if chosen else 0
        compiled = self._compiled(content, model, parts, chosen, cached)
        if self.behaviour["damaged_file"]:
            compiled = compiled[: len(compiled) // 2]
        if not self.behaviour["no_file"]:
            output.write_bytes(compiled)
        mapped = {index for part in chosen for index in part.operators}
        rows = operator_rows(model, mapped)
        log = self.folder / f"{path.stem}_edgetpu.log"
        header = f"Edge TPU Compiler version {self.behaviour['version']}"
        log.write_text(f"{header}\nInput: {path}\nOutput: {output}\n\n{rows}", encoding="utf-8")
        plural = "s" if together else ""
        print(f"\nModel{plural} compiled successfully in 7 ms.\n\nInput model: {path}")
        print(f"Input size: {size(len(content))}\nOutput model: {output}")
        print(f"Output size: {size(len(compiled))}")
        print(f"On-chip memory used for caching model parameters: {size(cached)}")
        print(f"On-chip memory remaining for caching model parameters: {size(8 * 2**20 - cached)}")
        print(f"Off-chip memory used for streaming uncached model parameters: {size(0)}")
        print(f"Number of Edge TPU subgraphs: {len(chosen)}")
        print(f"Total number of operations: {len(model.operators)}\nOperation log: {log}\n")
        if len(mapped) < len(model.operators):
            print(
                "Model successfully compiled but not all operations are supported by the Edge TPU. "
                "A percentage of the model will instead run on the CPU, which is slower. If "
                "possible, consider updating your model to use only operations supported by the "
                "Edge TPU. For details, visit g.co/coral/model-reqs."
            )
            print(f"Number of operations that will run on Edge TPU: {len(mapped)}")
            print(
                f"Number of operations that will run on CPU: {len(model.operators) - len(mapped)}"
            )
        if self.options.get("show_operations"):
            print(f"\n{rows}", end="")
        else:
            print("See the operation log file for individual operation details.")
        if self.major >= 16:
            print("Compilation child process completed within timeout period.")
            print("Compilation succeeded! ")

    def _runtime_fits(self, operator, model) -> bool:
        oldest = int(self.options.get("min_runtime_version", "14"))
        return oldest >= 12 or all(model.tensors[i].type != "INT8" for i in operator.outputs)

    def _compiled(self, content, model, parts, chosen, cached) -> bytes:
        """The model with every chosen part replaced by one custom operator."""
        raw = unpack(content)
        graph = raw.subgraphs[0]
        api = schema()
        code = api.OperatorCodeT()
        code.builtinCode = api.BuiltinOperator.CUSTOM
        code.deprecatedBuiltinCode = api.BuiltinOperator.CUSTOM
        code.customCode = "edgetpu-custom-op"
        code.version = 1
        raw.operatorCodes.append(code)
        new = []
        for part in parts:
            if part not in chosen:
                new += [graph.operators[i] for i in part.operators]
                continue
            inside = {t for i in part.operators for t in model.operators[i].outputs}
            taken = [t for i in part.operators for t in model.operators[i].inputs if t >= 0]
            inputs = [
                t for t in dict.fromkeys(taken)
                if t not in inside and not model.tensors[t].is_constant
            ]  # fmt: skip
            outside = {
                t for o in model.operators if o.index not in part.operators for t in o.inputs
            } | set(model.outputs)
            outputs = sorted(inside & outside)
            operator = api.OperatorT()
            operator.opcodeIndex = len(raw.operatorCodes) - 1
            operator.inputs, operator.outputs = inputs, outputs
            token = package.caching_token(self.token)
            layers = [[layer(model.tensors[t]) for t in side] for side in (inputs, outputs)]
            executables = [
                package.executable(2, b"", token, *layers),
                package.executable(1, bytes(cached), token, [], []),
            ]
            oldest = int(self.options.get("min_runtime_version", "14"))
            operator.customOptions = list(package.custom_options(executables, oldest))
            new.append(operator)
        graph.operators = new
        raw.description = "Exported from Subgraph."
        return pack(raw)


def layer(tensor) -> dict[str, Any]:
    shape = [1, 1, 1, *[max(1, n) for n in tensor.shape]][-3:]
    signed = tensor.type == "INT8"
    return {
        "name": tensor.name,
        "shape": shape,
        "type": 8 if signed else 0,
        "scale": tensor.scales[0] if tensor.scales else 1.0,
        "zero_point": (tensor.zero_points[0] if tensor.zero_points else 0) + 128 * signed,
    }


def operator_rows(model, mapped: set[int]) -> str:
    counts: dict[tuple[str, str], int] = {}
    for operator in model.operators:
        status = "Mapped to Edge TPU" if operator.index in mapped else STATUS
        key = (operator.name.partition(":")[0], status)
        counts[key] = counts.get(key, 0) + 1
    rows = [f"{name:<31}{count:<11}{status}" for (name, status), count in counts.items()]
    return "\n".join(["Operator                       Count      Status", "", *rows, ""])


def size(count: int) -> str:
    for unit, name in ((2**20, "MiB"), (2**10, "KiB")):
        if count >= unit:
            return f"{count / unit:.2f}{name}"
    return f"{count:.2f}B"


def after(model, ends: list[str]) -> set[int]:
    """Operators that depend on the tensors where the Edge TPU's part is to end."""
    late = {t.index for t in model.tensors if t.name in ends}
    found = set()
    for operator in model.operators:
        if late & set(operator.inputs):
            found.add(operator.index)
            late |= set(operator.outputs)
    return found


def edge_tensors(model, count: int) -> list[str]:
    """Tensors that the first `count` operators make and others, or the outputs, need."""
    inside = {t for o in model.operators[:count] for t in o.outputs}
    needed = {t for o in model.operators[count:] for t in o.inputs} | set(model.outputs)
    return [model.tensors[t].name for t in sorted(inside & needed)]


def cut_in_segments(path: Path, segments: int) -> list[tuple[Path, bytes]]:
    """Consecutive stretches of operators, as files of their own."""
    raw = unpack(path.read_bytes())
    model = read_model(path)
    bounds = [len(model.operators) * i // segments for i in range(segments + 1)]
    parts = []
    for number, (start, end) in enumerate(itertools.pairwise(bounds)):
        inside = model.operators[start:end]
        made = {t for o in inside for t in o.outputs}
        used = {t for o in inside for t in o.inputs if t >= 0 and not model.tensors[t].is_constant}
        later = {t for o in model.operators[end:] for t in o.inputs} | set(model.outputs)
        graph = raw.subgraphs[0]
        whole, ins, outs = graph.operators, graph.inputs, graph.outputs
        graph.operators = whole[start:end]
        graph.inputs, graph.outputs = sorted(used - made), sorted(made & later)
        name = f"{path.stem}_segment_{number}_of_{segments}.tflite"
        parts.append((path.with_name(name), pack(raw)))
        graph.operators, graph.inputs, graph.outputs = whole, ins, outs
    return parts


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)
