"""TensorFlow's converter as a bare extension module, without importing TensorFlow.

`import tensorflow` takes 2.4 s and 400 MB; the module that converts and quantizes takes 0.3 s and
needs none of the Python around it. That is only safe in a process that needs no more of TensorFlow
afterwards: a child that does this one thing.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

_MODULE = "tensorflow.compiler.mlir.lite.python._pywrap_converter_api"
# Packages around the module, and around the protocol buffers that it takes, whose __init__ would
# import all of TensorFlow.
_PARENTS = (
    "tensorflow",
    "tensorflow.compiler",
    "tensorflow.compiler.mlir",
    "tensorflow.compiler.mlir.lite",
    "tensorflow.compiler.mlir.lite.python",
    "tensorflow.compiler.mlir.quantization",
    "tensorflow.compiler.mlir.quantization.tensorflow",
    "tensorflow.compiler.mlir.quantization.tensorflow.python",
    "tensorflow.python",
)


def converter_api(*, light: bool = True) -> Any:
    """The extension module; with `light`, by the short way where that works.

    Where TensorFlow is imported already, or the short way fails, the plain import serves.

    Raises:
        ImportError: if TensorFlow is not installed.
    """
    if light and "tensorflow" not in sys.modules:
        _stub_parents()
        try:
            return importlib.import_module(_MODULE)
        except ImportError:
            forget_stubs()
    return importlib.import_module(_MODULE)


def forget_stubs() -> None:
    """Take the empty packages away, so that a plain `import tensorflow` can follow."""
    for name in list(sys.modules):
        stub = sys.modules[name]
        if name in _PARENTS and getattr(stub, "__spec__", None) is None:
            del sys.modules[name]


def _stub_parents() -> None:
    """Empty packages in the place of the real ones, so that modules below them can be imported."""
    spec = importlib.util.find_spec("tensorflow")
    roots = list(spec.submodule_search_locations or []) if spec else []
    for parent in _PARENTS:
        stub = types.ModuleType(parent)
        stub.__path__ = [str(Path(root, *parent.split(".")[1:])) for root in roots]
        sys.modules[parent] = stub
