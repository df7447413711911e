"""Images decoded before the model is known: while it is being loaded, a core has nothing to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from coral_action.config.data_schema import CalibrationConfig
from coral_action.config.paths import PathRules
from coral_action.data.files import FileSet, find_files
from coral_action.data.images import SUFFIXES, Decoded, read_image
from coral_action.data.labels import read_labels
from coral_action.data.sampling import choose
from coral_action.errors import CoralQuantizeError, DataError

if TYPE_CHECKING:
    from PIL import Image


class EarlyImages:
    """Decoded images by file; each is handed out once."""

    def __init__(self) -> None:
        self._found: dict[str, FileSet] = {}
        self._held: dict[str, Decoded] = {}

    def decode(self, request: Mapping[str, Any]) -> Iterator[None]:
        """Decode one image of a worker's shard of the representative dataset at each step.

        Ends where the images take too much memory, at one that can't be decoded, and where there
        are none. What is wrong with data is said by whoever needs them.

        Args:
            request: `calibration` and `paths`, as plain data; `shard`, [index, count]; `bytes`, how
                much decoded images may take.
        """
        config = CalibrationConfig.model_validate(request["calibration"])
        if not isinstance(config.images, str):
            return
        try:
            files = self.find(config.images, PathRules.from_json(request["paths"]))
            classes = read_labels(files, config, files.rules)
        except CoralQuantizeError:
            return
        first, count = request["shard"]
        limit = int(request["bytes"])
        chosen = choose(
            files.names,
            limit=config.samples,
            seed=config.seed,
            shuffle=config.shuffle,
            classes=classes,
        )
        for index in chosen[first::count]:
            try:
                # Pillow takes four bytes for a pixel of three channels.
                found = read_image(files, index, max_pixels=limit // 4)
            except (DataError, MemoryError):
                return
            limit -= _size(found.image)
            if limit < 0:
                return
            self._held[files.location(index)] = found
            yield

    def find(self, value: str, paths: PathRules) -> FileSet:
        """The image files that coral.yml names, looked for once; errors as of `find_files`."""
        if value not in self._found:
            self._found[value] = find_files(value, SUFFIXES, paths, "images")
        return self._found[value]

    def take(self, files: FileSet, index: int) -> Decoded | None:
        """The image of a file, if it was decoded and not taken yet."""
        return self._held.pop(files.location(index), None)


def _size(image: Image.Image) -> int:
    return image.width * image.height * (1 if len(image.getbands()) == 1 else 4)
