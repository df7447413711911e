"""A detector in Frigate (https://docs.frigate.video/configuration/object_detectors/)."""

from __future__ import annotations

from coral_action.report.model import ModelReport
from coral_action.report.snippets.snippet import ImageModel, Snippet, image_model, quoted


def frigate(model: ModelReport) -> Snippet | None:
    """For a detector that takes pixels as they are: Frigate feeds bytes from 0 to 255."""
    found = image_model(model)
    if found is None or model.interface is None or not model.interface.detector:
        return None
    if found.image.color == "gray" or not _takes_pixels(found):
        return None
    height, width = found.size
    lines = [
        "detectors:",
        "  coral:",
        "    type: edgetpu",
        "    device: usb",
        "model:",
        f"  path: {quoted('/config/' + found.file)}",
        *([f"  labelmap_path: {quoted('/config/' + found.labels)}"] if found.labels else []),
        f"  width: {width}",
        f"  height: {height}",
        "  input_tensor: nhwc",
        f"  input_pixel_format: {found.image.color}",
        "  model_type: ssd",
    ]
    return Snippet("Detect objects in Frigate", "yaml", "\n".join(lines) + "\n")


def _takes_pixels(model: ImageModel) -> bool:
    """Whether the stored value of each pixel is, within one step, the pixel itself."""
    ends = [
        (pixel - mean) / std / model.scale + model.zero_point
        for mean, std in zip(model.image.mean, model.image.std, strict=True)
        for pixel in (0, 255)
    ]
    wanted = [0, 255] * len(model.image.mean)
    close = all(abs(end - pixel) <= 1 for end, pixel in zip(ends, wanted, strict=True))
    return model.tensor.dtype == "uint8" and close
