"""A stand-in for pycoral: the few functions that snippets call, on litert instead of an Edge TPU.

Their behaviour is that of pycoral 2.0: `set_input` fills the input's memory, `output_tensor` gives
memory as it is stored, `get_classes` dequantizes one output of scores.
"""

from __future__ import annotations

import collections
import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np


def install(monkeypatch: Any, models: Path) -> None:
    """Put it into `sys.modules`; a compiled file is replaced by the int8 one in the same folder."""
    for name, functions in _MODULES.items():
        module = types.ModuleType(name)
        for function in functions:
            setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, name, module)
    adapters = sys.modules["pycoral.adapters"]
    for name in ("classify", "common"):
        setattr(adapters, name, sys.modules[f"pycoral.adapters.{name}"])
    monkeypatch.chdir(models)


def make_interpreter(model_path_or_content: str) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    path = Path(model_path_or_content.replace("_edgetpu.tflite", ".tflite"))
    return Interpreter(model_path=str(path))


def set_input(interpreter: Any, data: np.ndarray) -> None:
    index = interpreter.get_input_details()[0]["index"]
    interpreter.tensor(index)()[0][:, :] = data


def output_tensor(interpreter: Any, i: int) -> np.ndarray:
    return interpreter.tensor(interpreter.get_output_details()[i]["index"])()


Class = collections.namedtuple("Class", ["id", "score"])


def get_classes(interpreter: Any, top_k: int = 1) -> list[Class]:
    detail = interpreter.get_output_details()[0]
    scale, zero_point = detail["quantization"]
    scores = scale * (output_tensor(interpreter, 0).flatten().astype(np.int64) - zero_point)
    return [Class(int(i), float(scores[i])) for i in np.argsort(-scores, kind="stable")[:top_k]]


def read_label_file(file_path: str) -> dict[int, str]:
    labels = {}
    for row, line in enumerate(Path(file_path).read_text(encoding="utf-8").splitlines()):
        pair = re.split(r"[:\s]+", line.strip(), maxsplit=1)
        if len(pair) == 2 and pair[0].strip().isdigit():
            labels[int(pair[0])] = pair[1].strip()
        else:
            labels[row] = line.strip()
    return labels


_MODULES: dict[str, tuple[Any, ...]] = {
    "pycoral": (),
    "pycoral.adapters": (),
    "pycoral.adapters.classify": (get_classes,),
    "pycoral.adapters.common": (set_input, output_tensor),
    "pycoral.utils": (),
    "pycoral.utils.dataset": (read_label_file,),
    "pycoral.utils.edgetpu": (make_interpreter,),
}
