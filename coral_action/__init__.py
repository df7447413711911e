"""coral-quantize: int8 models for the Coral Edge TPU, explained on the pull request."""

__version__ = "0.1.0"
