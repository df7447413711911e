"""The Edge TPU: compile, place, explain."""

from coral_action.edgetpu.compiler import Compiled, compile_model, find_compiler
from coral_action.edgetpu.placement import (
    OperatorPlacement,
    Placement,
    from_compiled,
    predict,
)

__all__ = [
    "Compiled",
    "OperatorPlacement",
    "Placement",
    "compile_model",
    "find_compiler",
    "from_compiled",
    "predict",
]
