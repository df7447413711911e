"""What snippets share: the one image input that they feed, and text that stays text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from coral_action.config.resize_filters import PILLOW_FILTERS
from coral_action.report.model import ModelReport
from coral_action.report.sections import ImageData, TensorData

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._/-")


@dataclass(frozen=True)
class Snippet:
    """A piece of code; `language` is as Markdown names it."""

    title: str
    language: str
    text: str


@dataclass(frozen=True)
class ImageModel:
    """A model with one 8-bit image input, and how images become that input."""

    file: str  # the compiled one
    labels: str | None
    tensor: TensorData
    image: ImageData
    scale: float
    zero_point: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.tensor.shape[1], self.tensor.shape[2]


def image_model(model: ModelReport) -> ImageModel | None:
    """The model as snippets feed it; None if it takes anything else."""
    interface = model.interface
    if interface is None or len(interface.inputs) != 1 or model.files.int8 is None:
        return None
    (tensor,) = interface.inputs
    image = next((i for i in interface.images if i.input == tensor.name), None)
    channels = 1 if image and image.color == "gray" else 3
    fits = tensor.dtype in ("int8", "uint8") and len(tensor.shape) == 4
    if image is None or not fits or tensor.shape[3] != channels:
        return None
    if tensor.scale is None or tensor.zero_point is None:
        return None
    int8 = PurePosixPath(model.files.int8)
    compiled = model.files.edgetpu or f"{int8.stem}_edgetpu.tflite"
    labels = model.files.labels and PurePosixPath(model.files.labels).name
    name = PurePosixPath(compiled).name
    return ImageModel(name, labels, tensor, image, tensor.scale, tensor.zero_point)


def quoted(value: str) -> str:
    """A text in double quotes as both Python and YAML read it; nothing in it means anything."""
    letters = (
        c if c in _PLAIN else f"\\u{ord(c):04x}" if ord(c) < 1 << 16 else f"\\U{ord(c):08x}"
        for c in value
    )
    return f'"{"".join(letters)}"'


def setup(model: ImageModel) -> list[str]:
    """Lines of Python: the model loaded, an image made into its input, and run."""
    height, width = model.size
    low, high = (-128, 127) if model.tensor.dtype == "int8" else (0, 255)
    mode = "L" if model.image.color == "gray" else "RGB"
    pillow = PILLOW_FILTERS[model.image.filter]
    pixels = f"np.asarray(image, dtype=np.float32).reshape({height}, {width}, -1)"
    if model.image.color == "bgr":
        pixels += "[..., ::-1]"
    labels = f"read_label_file({quoted(model.labels)})" if model.labels else "{}"
    return [
        f"interpreter = make_interpreter({quoted(model.file)})",
        "interpreter.allocate_tensors()",
        f"labels = {labels}",
        "",
        "image = Image.open(sys.argv[1])",
        f'image = image.convert("{mode}").resize(({width}, {height}), Image.{pillow})',
        f"pixels = {pixels}",
        f"values = (pixels - {_numbers(model.image.mean)}) / {_numbers(model.image.std)}",
        f"stored = np.rint(values / {model.scale!r}) + {model.zero_point}".replace("+ -", "- "),
        f"stored = np.clip(stored, {low}, {high}).astype(np.{model.tensor.dtype})",
        "common.set_input(interpreter, stored)",
        "interpreter.invoke()",
    ]


def imports(*adapters: str, labels: bool) -> list[str]:
    """The lines of imports."""
    return [
        "import sys",
        "",
        "import numpy as np",
        "from PIL import Image",
        f"from pycoral.adapters import {', '.join(sorted(adapters))}",
        *(["from pycoral.utils.dataset import read_label_file"] if labels else []),
        "from pycoral.utils.edgetpu import make_interpreter",
        "",
    ]


def _numbers(values: list[float]) -> str:
    shown = [f"{value:.9g}" for value in values]
    return shown[0] if len(set(shown)) == 1 else f"[{', '.join(shown)}]"
