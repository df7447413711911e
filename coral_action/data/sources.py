"""The registry: each key of coral.yml that names a source, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coral_action.config.data_schema import DataSection, PreprocessConfig
from coral_action.config.paths import PathRules
from coral_action.data import csv_table, images, tfrecord, wav_clips
from coral_action.data.early import EarlyImages
from coral_action.data.files import FileSet, find_files
from coral_action.data.images import ImageSource, MaskFolder
from coral_action.data.labels import class_names, read_labels
from coral_action.data.npy import NpySource
from coral_action.data.npz import NpzSource
from coral_action.data.parallel import ParallelSource
from coral_action.data.preprocess import ImagePreprocessor
from coral_action.data.python_function import PythonSource
from coral_action.data.samples import InputSpec, Source
from coral_action.errors import DataError


@dataclass(frozen=True)
class Request:
    """All that a source may need to know."""

    config: DataSection
    value: Any  # of the source's key
    preprocess: PreprocessConfig
    paths: PathRules
    specs: Sequence[InputSpec]
    limit: int | None
    labelled: bool
    allow_custom_code: bool
    early: EarlyImages = field(default_factory=EarlyImages)

    def classes(self, files: FileSet) -> list[int] | None:
        """The class of each file, where `labels` says it."""
        return read_labels(files, self.config, self.paths)

    def by_input(self, kind: str) -> Mapping[str, tuple[InputSpec, str]]:
        """The path for each input: from a mapping, or the one path of a model with one input."""
        if isinstance(self.value, str):
            if len(self.specs) != 1:
                names = ", ".join(f"{spec.name}: ..." for spec in self.specs)
                raise DataError(
                    f"one path of {kind}, but the model has {len(self.specs)} inputs",
                    hint=f"name one for each as `{kind}: {{{names}}}`, or use npz",
                )
            return {self.specs[0].name: (self.specs[0], self.value)}
        specs = {spec.name: spec for spec in self.specs}
        if specs.keys() != self.value.keys():
            raise DataError(
                f"{kind} names {', '.join(self.value)}, but the model's inputs are "
                f"{', '.join(specs)}"
            )
        return {name: (spec, self.value[name]) for name, spec in specs.items()}


def _images(request: Request) -> Source:
    parts: dict[str, Source] = {}
    for name, (spec, value) in request.by_input("images").items():
        files = request.early.find(value, request.paths)
        folder = request.config.masks
        parts[name] = ImageSource(
            files,
            name,
            ImagePreprocessor(request.preprocess, spec),
            classes=None if parts else request.classes(files),
            masks=MaskFolder(folder, request.paths) if folder else None,
            early=request.early,
        )
    return _joined(parts, match_names=True)


def _npy(request: Request) -> Source:
    parts: dict[str, Source] = {
        name: NpySource(request.paths.resolve(value), name)
        for name, (_, value) in request.by_input("npy").items()
    }
    return _joined(parts, match_names=False)


def _npz(request: Request) -> Source:
    return NpzSource(request.paths.resolve(request.value), request.specs, labelled=request.labelled)


def _tfrecord(request: Request) -> Source:
    files = find_files(request.value.files, tfrecord.SUFFIXES, request.paths, "TFRecord files")
    return tfrecord.RecordSource(files, request.value, request.preprocess, request.specs)


def _csv(request: Request) -> Source:
    path = request.paths.resolve(request.value.file)
    return csv_table.CsvTable(path, request.value, request.specs)


def _wav(request: Request) -> Source:
    files = find_files(request.value.files, wav_clips.SUFFIXES, request.paths, "sound clips")
    return wav_clips.WavClips(files, request.value, request.specs, classes=request.classes(files))


def _python(request: Request) -> Source:
    file, _, function = request.value.rpartition(":")
    return PythonSource(
        request.paths.resolve(file),
        function,
        request.specs,
        limit=request.limit,
        labelled=request.labelled,
        allowed=request.allow_custom_code,
    )


def _joined(parts: Mapping[str, Source], *, match_names: bool) -> Source:
    if len(parts) == 1:
        return next(iter(parts.values()))
    return ParallelSource(parts, match_names=match_names)


OPENERS: dict[str, Callable[[Request], Source]] = {
    "images": _images,
    "npy": _npy,
    "npz": _npz,
    "tfrecord": _tfrecord,
    "csv": _csv,
    "wav": _wav,
    "python": _python,
}


def class_list(config: DataSection, paths: PathRules) -> list[str]:
    """Class names in the order of their numbers, as far as `labels` says them; reads no sample.

    Raises:
        DataError: if the files or the list of names can't be read.
    """
    if config.labels is None:
        return []
    if config.labels != "folders":
        names = class_names(config, paths)
        return [names[i] for i in sorted(names)] if set(names) == set(range(len(names))) else []
    files = labelled_files(config, paths)
    return list(files.folders) if files is not None else []


def labelled_files(config: DataSection, paths: PathRules) -> FileSet | None:
    """The files whose folders are their classes; None where samples are no files.

    Raises:
        DataError: if they can't be read.
    """
    if config.images is not None:
        value = (
            config.images if isinstance(config.images, str) else next(iter(config.images.values()))
        )
        return find_files(value, images.SUFFIXES, paths, "images")
    if config.wav is not None:
        return find_files(config.wav.files, wav_clips.SUFFIXES, paths, "sound clips")
    return None
