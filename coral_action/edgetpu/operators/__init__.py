"""What the Edge TPU can map, as rules about single operators.

Importing the package registers all rules; a new one is a decorated function in a module below.
"""

from coral_action.edgetpu.operators import convolution, general, quality, shape  # noqa: F401
from coral_action.edgetpu.operators.rule import (
    NEWEST_RUNTIME,
    RULES,
    Effect,
    Judgement,
    Rule,
    Target,
    View,
    judge,
)
from coral_action.edgetpu.operators.support import SUPPORTED_SINCE
from coral_action.edgetpu.operators.versions import NEWEST_VERSIONS

__all__ = [
    "NEWEST_RUNTIME",
    "NEWEST_VERSIONS",
    "RULES",
    "SUPPORTED_SINCE",
    "Effect",
    "Judgement",
    "Rule",
    "Target",
    "View",
    "judge",
]
