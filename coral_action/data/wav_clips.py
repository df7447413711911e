"""Sound clips: 16-bit PCM .wav, cut or padded to the length that the model takes."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

import numpy as np

from coral_action.config.source_schema import WavSource
from coral_action.data.files import FileSet
from coral_action.data.samples import Array, BadFileError, InputSpec, Reading
from coral_action.errors import DataError

SUFFIXES = frozenset({".wav", ".wave"})
_PCM, _EXTENSIBLE = 1, 0xFFFE
_FORMATS = {3: "floating point", 6: "A-law", 7: "mu-law"}


class WavClips:
    """One clip a sample, for an input of shape [1, samples] (or with further 1s)."""

    def __init__(
        self,
        files: FileSet,
        config: WavSource,
        specs: Sequence[InputSpec],
        *,
        classes: Sequence[int] | None = None,
    ) -> None:
        if len(specs) != 1:
            raise DataError(f"wav feeds one input, but the model has {len(specs)}")
        self._spec = specs[0]
        self._length = max(self._spec.shape)
        if [d for d in self._spec.shape if d != 1] != [self._length]:
            raise DataError(
                f"input {self._spec.name} of shape {list(self._spec.shape)} takes no sound",
                hint="spectrograms: compute them first and use npz, or use `python:`",
            )
        self._files = files
        self._config = config
        self.names = files.names
        self.classes = classes

    def read(self, index: int) -> Reading:
        """One sample, as `Source.read`."""
        content = self._files.read(index)
        values, rate = decode_wav(content, self.names[index])
        if self._config.sample_rate not in (None, rate):
            raise BadFileError(
                f"{self.names[index]}: {rate} Hz, but wav.sample_rate is "
                f"{self._config.sample_rate}",
                hint="nothing is resampled: convert the file",
            )
        clip = fit(values, self._length, self._config.fit).astype(np.float32)
        if self._config.scale == "unit":
            clip /= np.float32(32768)
        label = None if self.classes is None else self.classes[index]
        inputs = {self._spec.name: clip.reshape(self._spec.shape)}
        return Reading(inputs, label, hashlib.sha256(content).hexdigest())

    def digest(self, index: int) -> str:
        """SHA-256 of the file."""
        return self._files.digest(index)


def fit(values: Array, length: int, where: str) -> Array:
    """A clip of `length`: longer ones lose, shorter ones gain zeros.

    `where` is the part that is kept: start, center (an odd one over goes to the end) or end.
    """
    spare = abs(len(values) - length)
    first = {"start": 0, "center": spare // 2, "end": spare}[where]
    if len(values) >= length:
        return values[first : first + length]
    return np.pad(values, (first, spare - first))


def decode_wav(content: bytes, name: str) -> tuple[Array, int]:
    """The int16 values of a clip, and its sample rate in Hz.

    Chunks are read as RIFF lays them out (Multimedia Programming Interface 1.0, 1991), and the
    extensible format as its plain counterpart.

    Raises:
        BadFileError: if it is no RIFF WAVE, is cut short, or is not 16-bit PCM of one channel.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise BadFileError(f"{name}: no RIFF WAVE file", hint="convert it to 16-bit PCM .wav")
    position, layout = 12, None
    while position + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, position)
        chunk = content[position + 8 : position + 8 + size]
        if kind == b"fmt " and len(chunk) >= 16:
            layout = _layout(chunk, name)
        elif kind == b"data":
            if layout is None:
                break
            if len(chunk) < size or size % 2:
                raise BadFileError(f"{name}: cut short: {len(chunk):,} of {size:,} bytes of sound")
            return np.frombuffer(chunk, "<i2"), layout
        position += 8 + size + size % 2
    raise BadFileError(f"{name}: no sound in it", hint="mend or remove the file")


def _layout(chunk: bytes, name: str) -> int:
    """The sample rate, of a format that can be read."""
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if kind == _EXTENSIBLE and len(chunk) >= 26:
        kind = struct.unpack_from("<H", chunk, 24)[0]  # the sub-format's first two bytes
    if kind != _PCM or bits != 16:
        what = f"{bits}-bit PCM" if kind == _PCM else _FORMATS.get(kind, f"format {kind}")
        raise BadFileError(f"{name}: {what}, not 16-bit PCM", hint="convert it to 16-bit PCM")
    if channels != 1:
        raise BadFileError(f"{name}: {channels} channels, not one", hint="mix it down to mono")
    return int(rate)
