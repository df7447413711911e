"""coral.yml: the schema is the truth, the loader puts file and line into every error."""

from coral_action.config.loader import load_config
from coral_action.config.schema import Config, ModelConfig

__all__ = ["Config", "ModelConfig", "load_config"]
