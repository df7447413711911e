"""The task of one worker process: its shard of the samples through the models, to a file."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from coral_action.config.data_schema import EvaluationConfig, PreprocessConfig
from coral_action.config.paths import PathRules
from coral_action.data import Sample, Samples, SampleStatistics, open_samples
from coral_action.errors import DataError, UsageError
from coral_action.evaluation.boxes import read_boxes
from coral_action.evaluation.columns import Columns
from coral_action.evaluation.compare import Run, compare
from coral_action.evaluation.flips import worst_places
from coral_action.evaluation.metrics.custom import load_row
from coral_action.evaluation.metrics.kind import Outputs, RowFunction, Truth
from coral_action.evaluation.plan import Plan, make_plan
from coral_action.evaluation.stored import StoredOutputs
from coral_action.evaluation.thumbnails import thumbnail
from coral_action.inference import Kernels, Runner
from coral_action.isolation import ProgressCallback
from coral_action.loading import FloatModel
from coral_action.tflite import TfliteModel, read_model


def open_evaluation(request: dict[str, Any]) -> Samples:
    """The evaluation data that a request names."""
    return open_samples(
        EvaluationConfig.model_validate(request["evaluation"]),
        PreprocessConfig.model_validate(request["preprocess"]),
        PathRules.from_json(request["paths"]),
        FloatModel.from_json(request["model"]).inputs,
        allow_custom_code=request["allow_custom_code"] is True,
    )


def evaluate_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Evaluate shard `request["shard"]` = [index, count]; rows go to `request["output"]`."""
    index, count = request["shard"]
    options = EvaluationConfig.model_validate(request["evaluation"])
    model = FloatModel.from_json(request["model"])
    every = open_evaluation(request)
    samples = every.shard(index, count)
    statistics = SampleStatistics(samples.profile)
    result: dict[str, Any] = {"total": len(every), "metrics": [], "thumbnails": {}, "classes": {}}
    result["statistics"] = statistics.to_json()
    if not len(samples):
        Columns().save(Path(request["output"]))
        return result
    truth_of = _truth(options, PathRules.from_json(request["paths"]))
    first = next(iter(samples.shard(0, len(samples))), None)
    custom = _custom(request, options)
    plan = make_plan(options, model, _read(model.path), truth_of(first) if first else None, custom)
    int8, result["kernels"] = _run_int8(Path(request["int8"]), model, exact=options.exact)
    columns = compare(
        plan,
        _reference(request, model),
        int8,
        statistics.watching(samples),
        truth_of=truth_of,
        float_check=_run(model.path, model) if options.reference != "float" else None,
        kernel_check=_run(Path(request["int8"]), model) if options.exact else None,
        advance=lambda done: progress(done, len(samples)),
    )
    columns.save(Path(request["output"]))
    result["statistics"] = statistics.to_json()
    result["metrics"] = [metric.name for metric in plan.metrics]
    result["thumbnails"] = _thumbnails(columns, plan, samples)
    result["classes"] = _class_names(options, columns)
    return result


@cache
def _read(path: Path) -> TfliteModel:
    """A flatbuffer, read once: a large one takes a tenth of a second."""
    return read_model(path)


def _run(path: Path, model: FloatModel, kernels: Kernels = "xnnpack") -> Run:
    """A .tflite with the interface of `model`."""
    held = _read(path)
    inputs = _named(path, "input", held.input_names(), [spec.name for spec in model.inputs])
    outputs = _named(path, "output", held.output_names(), [spec.name for spec in model.outputs])
    runner = Runner(path, inputs, outputs, kernels=kernels)
    return lambda sample: runner.run(sample.inputs)


def _run_int8(path: Path, model: FloatModel, *, exact: bool) -> tuple[Run, Kernels]:
    """The int8 model, and the kernels that run it: XNNPACK's unless they can't or must not."""
    if not exact:
        try:
            return _run(path, model), "xnnpack"
        except RuntimeError as error:  # such as scales that its fixed-point arithmetic can't hold
            if "XNNPACK" not in str(error):
                raise
    return _run(path, model, "builtin"), "builtin"


def _named(path: Path, kind: str, held: dict[str, int], wanted: list[str]) -> dict[str, int]:
    """Tensors by the names that are wanted; by place, where a reference has names of its own."""
    if set(wanted) <= set(held):
        return {name: held[name] for name in wanted}
    if len(wanted) != len(held):
        raise DataError(
            f"evaluation: {path.name} has {len(held)} {kind}s, the model has {len(wanted)}",
            hint=f"a reference needs the same {kind}s: {', '.join(wanted)}",
        )
    return dict(zip(wanted, held.values(), strict=True))


def _reference(request: dict[str, Any], model: FloatModel) -> Run:
    """The float .tflite, another .tflite, or outputs that were computed before."""
    if request["stored"] is None:
        return _run(Path(request["reference"] or model.path), model)
    stored = StoredOutputs(Path(request["stored"]))
    # What was kept from calibration need not have every sample; the original model does.
    run = _run(model.path, model) if request["reference"] is None else None

    def outputs(sample: Sample) -> Outputs:
        found = stored.get(sample.name)
        if found is not None:
            return found
        if run is None:
            raise DataError("the reference has no outputs for this sample")
        return run(sample)

    return outputs


def _truth(options: EvaluationConfig, paths: PathRules) -> Callable[[Sample], Truth]:
    """The label of a sample: its own, or its boxes."""
    if options.boxes is None:
        return lambda sample: sample.label
    boxes = read_boxes(paths.resolve(options.boxes))

    def truth(sample: Sample) -> Truth:
        if sample.name not in boxes:
            raise DataError(
                f"evaluation: {options.boxes} does not list {sample.name}",
                hint="images are listed by their path below the folder that `images` names; an "
                "image without objects is listed, too",
            )
        return boxes[sample.name]

    return truth


def _custom(request: dict[str, Any], options: EvaluationConfig) -> dict[str, RowFunction]:
    """The user's functions by name, where they may run."""
    choices = [choice for choice in options.metrics or [] if choice.python is not None]
    if choices and request["allow_custom_code"] is not True:
        raise UsageError(
            f"evaluation.metrics names {choices[0].python}, but custom code is not allowed",
            hint="allow it with --allow-custom-code, or the action's input allow-custom-code",
        )
    paths = PathRules.from_json(request["paths"])
    return {
        choice.label: load_row(choice, paths.resolve(str(choice.python).rpartition(":")[0]))
        for choice in choices
    }


def _thumbnails(columns: Columns, plan: Plan, samples: Samples) -> dict[str, str]:
    """Pictures of the samples that flipped worst, by name; read once more, to keep none before."""
    found = {}
    for place in worst_places(columns) if plan.choices != "none" else []:
        sample = next(iter(samples.shard(place, len(samples))), None)
        if sample is not None and sample.name == columns.names[place]:
            picture = thumbnail(sample.inputs)
            if picture is not None:
                found[sample.name] = picture
    return found


def _class_names(options: EvaluationConfig, columns: Columns) -> dict[str, str]:
    """Class names by number, where the first folder of a sample's path is its class."""
    if options.labels is None or options.labels.endswith(".csv"):
        return {}
    pairs = zip(columns.labels, columns.names, strict=True)
    return {str(label): name.split("/")[0] for label, name in pairs}
