"""coral-quantize preview: a contact sheet of what each model is fed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coral_action.commands.guard import require_trusted, untrusted_option
from coral_action.commands.options import workspace_option
from coral_action.counts import plural
from coral_action.echo import echo

if TYPE_CHECKING:
    from coral_action.config.paths import PathRules
    from coral_action.config.schema import ModelConfig


@click.command()
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    default=Path("coral.yml"),
    show_default=True,
    help="Where the models and their data are named.",
)
@click.option("--model", "names", multiple=True, help="Only this model; can be repeated.")
@click.option(
    "--section",
    type=click.Choice(["calibration", "evaluation"]),
    default="calibration",
    show_default=True,
    help="Which of the model's data.",
)
@click.option(
    "--count",
    type=click.IntRange(1, 400),
    default=24,
    show_default=True,
    help="Samples on the sheet.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path(),
    help="Folder for NAME_preview.png; the current one without it.",
)
@workspace_option
@click.option(
    "--allow-custom-code", is_flag=True, help="Let `python:` sources run code of the repository."
)
@untrusted_option
def preview(
    config_path: Path,
    names: tuple[str, ...],
    section: str,
    count: int,
    output: Path,
    workspace: Path | None,
    allow_custom_code: bool,
    allow_untrusted_checkout: bool,
) -> None:
    """Write a contact sheet (PNG) of preprocessed samples: see what the model sees.

    Values are turned back into pixels for display; the sheet says how.

    Example: coral-quantize preview --config coral.yml --model digits --count 12
    """
    from coral_action.config.loader import load_config
    from coral_action.config.paths import PathRules
    from coral_action.errors import UsageError

    folder = config_path.resolve().parent
    require_trusted([folder], workspace, allowed=allow_untrusted_checkout)
    config = load_config(config_path)
    unknown = sorted(set(names) - {model.name for model in config.models})
    if unknown:
        raise UsageError(
            f"--model {unknown[0]}: no such model in {config_path}",
            hint=f"it names {', '.join(model.name for model in config.models)}",
        )
    output.mkdir(parents=True, exist_ok=True)
    paths = PathRules(folder, workspace)
    for model in config.models:
        if names and model.name not in names:
            continue
        target = output.resolve() / f"{model.name}_preview.png"
        result = write_preview(
            model, paths, target, section=section, count=count, allow_custom_code=allow_custom_code
        )
        echo(f"{target}: {plural(result['shown'], 'sample')} of {section}")
        echo(f"  shown as {result['how']}")
        for finding in result["findings"]:
            if finding["id"] not in config.ignore:
                echo(f"  {finding['severity']} {finding['id']}: {finding['message']}")
                echo(f"    {finding['advice']}")


def write_preview(
    model: ModelConfig,
    paths: PathRules,
    target: Path,
    *,
    section: str,
    count: int,
    allow_custom_code: bool = False,
) -> dict[str, Any]:
    """Load the model for its inputs, and write the sheet in a child process.

    Returns:
        What `data.preview.preview_task` returns.

    Raises:
        UsageError: if the model has no such section.
        CoralQuantizeError: if the model or its data can't be read.
    """
    from coral_action.errors import UsageError
    from coral_action.isolation import run_isolated, scratch_folder, workspace
    from coral_action.loading import load_model

    data = model.calibration if section == "calibration" else model.evaluation
    if data is None:
        raise UsageError(f"{model.name} has no `evaluation` in coral.yml", hint="leave --section")
    with scratch_folder("preview") as folder:
        loaded = load_model(model, paths, folder / "float.tflite")
    request = {
        "section": section,
        "data": data.model_dump(mode="json"),
        "preprocess": model.preprocess.model_dump(mode="json"),
        "paths": paths.to_json(),
        "inputs": loaded.to_json()["inputs"],
        "count": count,
        "allow_custom_code": allow_custom_code,
    }
    return run_isolated(
        "coral_action.data.preview:preview_task",
        request,
        stage="preview",
        reading=workspace(paths.root, paths.downloads.values()),
        outputs={"output": target},
    )
