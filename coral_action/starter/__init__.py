"""What `coral-quantize init` needs: finding models and data, writing the first coral.yml."""

from coral_action.starter.config_text import config_text
from coral_action.starter.discover import (
    FoundData,
    FoundModel,
    choose_calibration,
    choose_evaluation,
    find_data,
    find_models,
)
from coral_action.starter.workflow_text import WORKFLOW_PATH, workflow_text

__all__ = [
    "WORKFLOW_PATH",
    "FoundData",
    "FoundModel",
    "choose_calibration",
    "choose_evaluation",
    "config_text",
    "find_data",
    "find_models",
    "workflow_text",
]
