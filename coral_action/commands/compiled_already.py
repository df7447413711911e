"""Commands about an int8 model take no file that the compiler made of one."""

from __future__ import annotations

from pathlib import Path

from coral_action.tflite import TfliteModel


def refuse_compiled(path: Path, model: TfliteModel) -> None:
    """Refuse a compiled file: nothing of it is left to predict, compile or search.

    Raises:
        UsageError: if it holds an operator for the Edge TPU.
    """
    from coral_action.edgetpu import EDGE_TPU_OPERATOR
    from coral_action.errors import UsageError

    if any(operator.name == EDGE_TPU_OPERATOR for operator in model.operators):
        raise UsageError(
            f"{path} is compiled already",
            hint="name the model that it was made from; `coral-quantize inspect` says what it "
            "holds",
            topic="compiled-already",
        )
