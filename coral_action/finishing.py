"""The last step of a model: labels and metadata into the files that were made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.data import (
    InputProfile,
    Normalization,
    class_list,
    normalization_of,
    read_labels_file,
)
from coral_action.errors import ModelError
from coral_action.findings import Finding, Severity
from coral_action.isolation import scratch_folder
from coral_action.metadata import ImageInput, described, embed, numbered_label_text
from coral_action.output_files import write_file
from coral_action.quantization import accept_full_integer
from coral_action.tflite import TfliteModel, read_model


@dataclass(frozen=True)
class Labelling:
    """What is known of a model beside its numbers.

    `images`: how inputs are made from images. `declared`: coral.yml says how, rather than leaving
    it to the model.
    """

    images: Mapping[str, Normalization] = field(default_factory=dict)
    declared: bool = False
    labels: tuple[str, ...] = ()


def labelling_of(config: ModelConfig, paths: PathRules, model: TfliteModel) -> Labelling:
    """What coral.yml says of inputs and classes.

    Args:
        config: the model's part of coral.yml.
        paths: rules for paths in it.
        model: the int8 model.

    Raises:
        DataError: if the class names can't be read: those of `metadata`, or of `evaluation`.
    """
    named = config.metadata.labels
    if named:
        known = read_labels_file(paths.resolve(named))
    else:
        known = class_list(config.evaluation, paths) if config.evaluation else []
    sections = [config.calibration, *([config.evaluation] if config.evaluation else [])]
    images, declared = {}, False
    if any(section.images is not None for section in sections):
        for name, index in model.input_names().items():
            tensor = model.tensors[index]
            spec = InputProfile(name, tensor.shape, tensor.dtype)
            found, by_user = normalization_of(config.preprocess, spec)
            if found is not None:
                images[name], declared = found, declared or by_user
    return Labelling(images, declared, tuple(known))


def embed_metadata(
    name: str, model: TfliteModel, labelling: Labelling, int8: Path, compiled: Path | None
) -> list[Finding]:
    """Put metadata into finished model files, where there is something to say.

    A file is replaced only after it was read again, the int8 one after it was verified again.

    Args:
        name: what the model is called.
        model: the int8 model; the compiled one has its inputs and outputs.
        labelling: what is to be said.
        int8: its file; a file that has metadata already stays as it is.
        compiled: the file for the Edge TPU.
    """
    images = labelling.images if labelling.declared or labelling.labels else {}
    inputs = {key: ImageInput(i.color, i.mean, i.std) for key, i in images.items()}
    description = described(name, model, inputs, labelling.labels)
    if description is None:
        return _unused(labelling)
    findings = [] if description.labels else _unused(labelling)
    checks: list[tuple[Path | None, Callable[[Path], object]]] = [
        (int8, accept_full_integer),
        (compiled, read_model),
    ]
    with scratch_folder() as folder:
        for path, check in checks:
            if path is None:
                continue
            trial = folder / path.name
            try:
                trial.write_bytes(embed(path.read_bytes(), description))
                check(trial)
                write_file(path, trial.read_bytes())
            except ModelError as error:
                findings.append(_refused(path, error))
    return findings


def write_labels(path: Path, labelling: Labelling) -> bool:
    """The label file beside the models; whether there is one now."""
    path.unlink(missing_ok=True)
    if labelling.labels:
        write_file(path, numbered_label_text(labelling.labels))
    return bool(labelling.labels)


def _refused(path: Path, error: ModelError) -> Finding:
    return Finding(
        "CQ602",
        Severity.WARNING,
        f"{path.name} was left without metadata: {error.message}",
        "the model itself is as it should be; `metadata: false` leaves metadata out",
    )


def _unused(labelling: Labelling) -> list[Finding]:
    if not labelling.labels:
        return []
    return [
        Finding(
            "CQ601",
            Severity.INFO,
            f"the {len(labelling.labels)} class names were not put into the model: none of its "
            "outputs has one score for each",
            "a classifier takes as many names as it has scores; the label file lies beside it",
        )
    ]
