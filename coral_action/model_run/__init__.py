"""One model on its way through the stages."""

from coral_action.model_run.options import RunOptions
from coral_action.model_run.run import ModelRun, compile_runs

__all__ = ["ModelRun", "RunOptions", "compile_runs"]
