"""coral-quantize: full-integer quantization for the Coral Edge TPU, explained on the pull request."""

__version__ = "0.1.0"
