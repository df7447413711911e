"""Ways of scaling pixels, by the names that people know them by; numbers only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from coral_action.config.data_schema import PresetName


@dataclass(frozen=True)
class Preset:
    """Input = (pixel * scale - mean) / std, pixels from 0 to 255 in the order of `color`.

    `color` None leaves it to the model: gray for one channel, else rgb. `mean` and `std` are for
    all channels (one value) or for each in the order in which they are fed.
    """

    color: Literal["rgb", "bgr"] | None = None
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    @property
    def interval(self) -> tuple[float, float]:
        """Lowest and highest value that a pixel can become."""
        pairs = list(zip(self.mean, self.std, strict=True))
        ends = [(p * self.scale - mean) / std for p in (0, 255) for mean, std in pairs]
        return min(ends), max(ends)


PRESETS: dict[PresetName, Preset] = {
    # keras.applications.mobilenet*.preprocess_input, mode "tf": x / 127.5 - 1
    "keras.mobilenet": Preset(mean=(127.5,), std=(127.5,)),
    # keras.applications.resnet50.preprocess_input, mode "caffe": BGR, ImageNet mean, no scaling
    "keras.resnet50": Preset(color="bgr", mean=(103.939, 116.779, 123.68), std=(1.0, 1.0, 1.0)),
    # torchvision.transforms: ToTensor (x / 255), then Normalize with ImageNet mean and deviation
    "torchvision": Preset(
        color="rgb", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    "0-1": Preset(scale=1 / 255),
    "raw": Preset(),
}
