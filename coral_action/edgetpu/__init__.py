"""The Edge TPU: compile, read, predict, explain."""

from coral_action.edgetpu.compiler import (
    CompilationFailedError,
    Compiled,
    compile_group,
    compile_model,
    find_compiler,
    placement_of,
)
from coral_action.edgetpu.cost import Cost, estimate
from coral_action.edgetpu.diagnose import Diagnosis, compile_or_diagnose, diagnose
from coral_action.edgetpu.executable import (
    EDGE_TPU_OPERATOR,
    CompiledModel,
    read_compiled,
    same_program,
)
from coral_action.edgetpu.kept import compiled_from_json, compiled_to_json, put_back
from coral_action.edgetpu.log import CompilerLog, ModelLog, parse_log
from coral_action.edgetpu.operators import Target
from coral_action.edgetpu.options import target_of
from coral_action.edgetpu.placement import (
    OperatorPlacement,
    Placement,
    disagreements,
    from_compiled,
    part_of,
    predict,
)
from coral_action.edgetpu.program import compiler_version

__all__ = [
    "EDGE_TPU_OPERATOR",
    "CompilationFailedError",
    "Compiled",
    "CompiledModel",
    "CompilerLog",
    "Cost",
    "Diagnosis",
    "ModelLog",
    "OperatorPlacement",
    "Placement",
    "Target",
    "compile_group",
    "compile_model",
    "compile_or_diagnose",
    "compiled_from_json",
    "compiled_to_json",
    "compiler_version",
    "diagnose",
    "disagreements",
    "estimate",
    "find_compiler",
    "from_compiled",
    "parse_log",
    "part_of",
    "placement_of",
    "predict",
    "put_back",
    "read_compiled",
    "same_program",
    "target_of",
]
