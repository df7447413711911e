"""`coral-quantize init`: the first coral.yml and workflow of a repository."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coral_action.commands.guard import require_trusted, untrusted_option
from coral_action.commands.options import workspace_option
from coral_action.echo import echo

if TYPE_CHECKING:
    from coral_action.config.paths import PathRules
    from coral_action.starter import FoundData, FoundModel

# By so much more of the labelled images has the best scaling to be right than the worst.
_CLEARLY = 0.1

_SCALES = {
    "0-1": "divided by 255, from 0 to 1",
    "keras.mobilenet": "from -1 to 1 (MobileNet, EfficientNet-Lite, Inception)",
    "torchvision": "ImageNet mean and deviation (PyTorch)",
    "keras.resnet50": "BGR minus the ImageNet mean (ResNet50, VGG)",
    "raw": "0 to 255, unchanged (the model scales by itself)",
}


@click.command()
@click.option("--yes", is_flag=True, help="Ask nothing; take what looks best.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--workflow/--no-workflow", default=True, help="Write a GitHub workflow as well.")
@workspace_option
@untrusted_option
@click.argument(
    "folder", type=click.Path(path_type=Path, file_okay=False, exists=True), default=Path()
)
def init(
    folder: Path,
    yes: bool,
    force: bool,
    workflow: bool,
    workspace: Path | None,
    allow_untrusted_checkout: bool,
) -> None:
    """Find models and data below FOLDER, and write coral.yml and a workflow for them.

    Example: coral-quantize init --yes
    """
    from coral_action import starter
    from coral_action.config.loader import parse_config
    from coral_action.config.paths import PathRules
    from coral_action.errors import UsageError

    require_trusted([folder], workspace, allowed=allow_untrusted_checkout)
    models = starter.find_models(folder)
    if not models:
        raise UsageError(
            f"{folder.resolve()}: no model found",
            hint="known: SavedModel folders, frozen .pb, .keras, .h5, .tflite and .onnx files",
            topic="no-model-found",
        )
    if not yes and len(models) > 1:
        models = _choose_models(models)
    data = starter.find_data(folder)
    calibration = starter.choose_calibration(data)
    evaluation = starter.choose_evaluation(data, calibration)
    preset = _measured_preset(PathRules(folder.resolve(), workspace), models, evaluation)
    if preset is None and not yes and (calibration is None or calibration.kind == "images"):
        preset = _choose_preset()
    text = starter.config_text(models, calibration, evaluation, preset)
    parse_config(text, "coral.yml")
    files = {"coral.yml": text}
    if workflow:
        files[starter.WORKFLOW_PATH] = starter.workflow_text("coral.yml")
    _write(folder, files, force=force)
    for model in models:
        echo(f"model {model.name}: {model.path} ({model.format})")
    for role, found in (("calibration", calibration), ("evaluation", evaluation)):
        echo(f"{role}: {found.path if found else 'nothing found, see the comment'}")
    for name in files:
        echo(f"wrote {folder / name}")
    config = folder / "coral.yml"
    where = "" if config == Path("coral.yml") else f" --config {shlex.quote(str(config))}"
    echo(f"next: coral-quantize run{where} --compiler none")
    if workflow and _is_inside_of_a_repository(folder.resolve()):
        echo(f"GitHub reads {starter.WORKFLOW_PATH} at the top of a repository only: move it there")


def _is_inside_of_a_repository(folder: Path) -> bool:
    above = any(os.path.lexists(parent / ".git") for parent in folder.parents)
    return above and not os.path.lexists(folder / ".git")


def _measured_preset(
    paths: PathRules, models: list[FoundModel], evaluation: FoundData | None
) -> str | None:
    """The scaling with which the first model gets most of the labelled images right, if one is."""
    if evaluation is None or evaluation.kind != "images":
        return None
    from coral_action.starter.scaling import measured_presets

    scores = measured_presets(paths, models[0].path, evaluation.path)
    best = max(scores, key=scores.__getitem__, default=None)
    if best is None or scores[best] - min(scores.values()) < _CLEARLY:
        return None
    echo(f"scaling: {best}, with which {scores[best]:.0%} of the labelled images are right")
    return best


def _choose_models(models: list[FoundModel]) -> list[FoundModel]:
    for number, model in enumerate(models, 1):
        echo(f"{number:3}  {model.path} ({model.format})")
    answer = click.prompt("Which models? Numbers, or all", default="all")
    if answer == "all":
        return models
    numbers = {int(word) for word in answer.replace(",", " ").split() if word.isdecimal()}
    return [model for number, model in enumerate(models, 1) if number in numbers] or models


def _choose_preset() -> str:
    echo("How were pixels scaled when the model was trained?")
    names = list(_SCALES)
    for number, (name, meaning) in enumerate(_SCALES.items(), 1):
        echo(f"{number:3}  {name}: {meaning}")
    return names[click.prompt("Number", type=click.IntRange(1, len(names)), default=1) - 1]


def _write(folder: Path, files: dict[str, str], *, force: bool) -> None:
    from coral_action.errors import UsageError
    from coral_action.output_files import write_file

    there = [name for name in files if os.path.lexists(folder / name)]
    if there and not force:
        raise UsageError(
            f"{', '.join(there)} is there already",
            hint="`--force` replaces it; or edit it by hand",
            topic="files-there-already",
        )
    for name in files:
        if not (folder / name).parent.resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                f"{folder / name}: a link on the way leads out of {folder.resolve()}",
                hint="remove the link, or leave the workflow out with `--no-workflow`",
            )
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, text)
        except OSError as error:
            raise UsageError(f"{path}: can't be written: {error.strerror}") from error
