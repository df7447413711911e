"""The task of one worker process: its shard of the samples through the models, to a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from coral_action.config.data_schema import EvaluationConfig
from coral_action.config.paths import PathRules
from coral_action.data import (
    Sample,
    Samples,
    SampleStatistics,
    at_once,
    class_list,
    class_names,
    requested_samples,
)
from coral_action.errors import DataError, UsageError
from coral_action.evaluation.boxes import read_boxes
from coral_action.evaluation.columns import Columns
from coral_action.evaluation.compare import Run, compare
from coral_action.evaluation.flips import worst_places
from coral_action.evaluation.metrics.custom import load_row
from coral_action.evaluation.metrics.kind import Outputs, RowFunction, Truth
from coral_action.evaluation.plan import (
    Plan,
    make_plan,
    output_shape,
    settings_of,
    without_reference,
)
from coral_action.evaluation.stored import StoredOutputs
from coral_action.evaluation.thumbnails import thumbnail
from coral_action.evaluation.truth import fitting
from coral_action.inference import Kernels, Runner
from coral_action.isolation import ProgressCallback
from coral_action.loading import FloatModel, TensorSpec
from coral_action.tflite import TfliteModel, read_model


def open_evaluation(request: dict[str, Any]) -> Samples:
    """The evaluation data that a request names: all of it, or one part `request["part"]`."""
    model = FloatModel.from_json(request["model"])
    samples = requested_samples(request, "evaluation", _real_valued(model))
    return samples if request["part"] is None else samples.shard(*request["part"])


def evaluate_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Evaluate shard `request["shard"]` = [index, count]; rows go to `request["output"]`."""
    index, count = request["shard"]
    options = EvaluationConfig.model_validate(request["evaluation"])
    model = FloatModel.from_json(request["model"])
    samples = open_evaluation(request).for_worker(index, count)
    statistics = SampleStatistics(samples.profile)
    result: dict[str, Any] = {
        "metrics": [],
        "thumbnails": {},
        "class_names": {},
        "kernels": "",
        "scores": 0,
    }
    paths = PathRules.from_json(request["paths"])
    label_of = _labels(options, paths)
    if index == 0:  # once is enough
        result["class_names"] = _class_names(options, paths)
    first = next(iter(samples), None)
    if first is None:  # nothing is left for this part, or nothing of it can be decoded
        statistics.add_bad_files(samples.bad_files)
        Columns().save(Path(request["output"]))
        return {**result, "statistics": statistics.to_json()}
    flatbuffer = _read(model.path)
    shape = output_shape(model, settings_of(options, model, flatbuffer).output)
    result["scores"] = math.prod(shape) if options.labels == "folders" else 0

    def truth_of(sample: Sample) -> Truth:
        return label_of(sample) if options.boxes else fitting(label_of(sample), shape)

    custom = _custom(request, options)
    reference = _reference(request, model)
    plan = make_plan(options, model, flatbuffer, truth_of(first), custom)
    plan = plan if reference else without_reference(plan)
    int8, result["kernels"] = _run_int8(Path(request["int8"]), model, exact=options.exact)
    columns = compare(
        plan,
        reference,
        int8,
        statistics.watching(samples),
        truth_of=truth_of,
        float_check=_float_check(options, model),
        kernel_check=_run(Path(request["int8"]), model) if options.exact else None,
        at_once=min(samples.ahead, at_once(model.outputs)),
        advance=lambda done: progress(done, len(samples)),
    )
    columns.save(Path(request["output"]))
    result["statistics"] = statistics.to_json()
    result["metrics"] = [metric.name for metric in plan.metrics]
    result["thumbnails"] = _thumbnails(columns, plan, samples)
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
    _require_shapes(path, held, inputs, model.inputs)
    _require_shapes(path, held, outputs, model.outputs)
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


def _require_shapes(
    path: Path, held: TfliteModel, places: dict[str, int], specs: Sequence[TensorSpec]
) -> None:
    """Values of other shapes would be fed wrongly, or compared by stretching one of them."""
    for spec in specs:
        shape = tuple(held.tensors[places[spec.name]].shape)
        # -1: a dimension that was left open
        if len(shape) != len(spec.shape) or any(
            own not in (-1, wanted) for own, wanted in zip(shape, spec.shape, strict=True)
        ):
            raise DataError(
                f"evaluation: {path.name} has {spec.name} of shape {list(shape)}, the model has "
                f"{list(spec.shape)}",
                hint="a reference computes the same as the model, from the same inputs",
            )


def _real_valued(model: FloatModel) -> tuple[TensorSpec, ...]:
    """The inputs as samples feed them: real numbers where a model stores them quantized."""
    if not model.already_quantized:
        return model.inputs
    held = _read(model.path)
    scaled = {name for name, i in held.input_names().items() if held.tensors[i].scales}
    return tuple(
        replace(spec, dtype="float32") if spec.name in scaled else spec for spec in model.inputs
    )


def _float_check(options: EvaluationConfig, model: FloatModel) -> Run | None:
    """The float .tflite, where the reference is another model."""
    if options.reference == "float" or model.already_quantized:
        return None
    return _run(model.path, model)


def _reference(request: dict[str, Any], model: FloatModel) -> Run | None:
    """The float .tflite, another .tflite, or outputs that were computed before.

    None for a model that is integer already, if no other is named.
    """
    if model.already_quantized and request["reference"] is None:
        return None
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


def _labels(options: EvaluationConfig, paths: PathRules) -> Callable[[Sample], Truth]:
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
            topic="custom-code",
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
        index = (columns.positions[place] - samples.first) // samples.step
        alone = replace(samples.shard(index, len(samples)), beside=False)
        sample = next(iter(alone), None)
        if sample is not None:
            picture = thumbnail(sample.inputs)
            if picture is not None:
                found[sample.name] = picture
    return found


def _class_names(options: EvaluationConfig, paths: PathRules) -> dict[str, str]:
    """Class names by number: of a list of class names, or else the class folders."""
    if options.labels == "folders":
        return {str(number): name for number, name in enumerate(class_list(options, paths))}
    return {str(number): name for number, name in class_names(options, paths).items()}
