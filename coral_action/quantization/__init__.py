"""Float .tflite and representative dataset to a verified full-integer int8 .tflite."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coral_action.config.paths import PathRules
from coral_action.data import SampleStatistics, merged
from coral_action.errors import QuantizationError
from coral_action.findings import Finding, Severity
from coral_action.isolation import Limits, ProgressCallback, workspace
from coral_action.loading import FloatModel
from coral_action.output_files import write_file
from coral_action.quantization.calibrators import NEEDS_HISTOGRAMS
from coral_action.quantization.crew import Crew
from coral_action.quantization.int8_model import Int8Model
from coral_action.quantization.layer_error import LayerError
from coral_action.quantization.layer_histogram import LayerHistogram
from coral_action.quantization.preparation import prepare
from coral_action.quantization.selection import Trial
from coral_action.quantization.verification import verify, verify_float
from coral_action.tflite import TfliteModel, read_model
from coral_action.workers import worker_count

if TYPE_CHECKING:
    from coral_action.config.schema import ModelConfig

__all__ = [
    "Crew",
    "Int8Model",
    "LayerError",
    "LayerHistogram",
    "Trial",
    "accept_full_integer",
    "quantize_model",
    "start_crew",
]

# What the quantizing child leaves in its folder.
_INT8, _FLOAT_OUTPUTS = "int8.tflite", "float-outputs.npz"


def start_crew(
    config: ModelConfig,
    paths: PathRules | None = None,
    *,
    limits: Limits | None = None,
    workers: int | None = None,
) -> Crew:
    """The child processes for a model, to be started while it is being loaded.

    A context manager: they end with it. They may read the workspace of `paths`; without one, all
    that the user can read.
    """
    count = workers or worker_count(config.calibration.samples)
    if paths is None:
        return Crew(count, limits, workspace(None))
    early = {
        "calibration": config.calibration.model_dump(mode="json"),
        "paths": paths.to_json(),
    }
    return Crew(count, limits, workspace(paths.root, paths.downloads.values()), early)


def quantize_model(
    config: ModelConfig,
    model: FloatModel,
    paths: PathRules,
    target: Path,
    *,
    limits: Limits | None = None,
    on_progress: ProgressCallback | None = None,
    crew: Crew | None = None,
    float_outputs: Path | None = None,
    allow_custom_code: bool = False,
) -> Int8Model:
    """Calibrate, quantize and verify; `target` is written only if all is well.

    The data are touched in child processes only, and the model is run only there.

    Args:
        config: the model's part of coral.yml.
        model: the float model.
        paths: rules for the paths in `config`.
        target: the int8 .tflite to write.
        limits: of each child process.
        on_progress: called with (done, total) samples.
        crew: child processes that were started earlier (`start_crew`), then with their own
            `limits`; new ones when left out. The result does not depend on their number.
        float_outputs: an .npz to write the float model's outputs on the calibration samples to.
        allow_custom_code: whether a `python:` source may run; never taken from coral.yml.

    Raises:
        DataError: if the data can't be read, are empty, don't fit the model or hold NaN.
        QuantizationError: if the model holds NaN, the quantizer fails, or its result is not
            full-integer; then `findings` names every operator and tensor.
    """
    if crew is None:
        with start_crew(config, paths, limits=limits) as own:
            return quantize_model(
                config,
                model,
                paths,
                target,
                on_progress=on_progress,
                crew=own,
                float_outputs=float_outputs,
                allow_custom_code=allow_custom_code,
            )
    started = time.monotonic()
    prepared = prepare(model.path, config, crew.scratch)
    request = _request(config, model, paths, crew.give(prepared.path))
    request["allow_custom_code"] = allow_custom_code
    files, tiles = (
        [str(crew.folder(index) / f"{kind}.npz") for index in range(crew.workers)]
        for kind in ("observed", "tiles")
    )
    # Children observe while this process looks at the model; what is wrong with it comes first.
    crew.begin(
        [
            {**request, "shard": [index, crew.workers], "output": file, "tiles": tiles[index]}
            for index, file in enumerate(files)
        ],
        on_progress,
    )
    _refuse("the float model can't be quantized", verify_float(read_model(prepared.path)))
    replies = crew.observed()
    statistics = merged([SampleStatistics.from_json(reply["statistics"]) for reply in replies])
    calibrated = time.monotonic()
    request |= {"observed": files, "tiles": tiles}
    folder = crew.folder(crew.workers)
    request["output"] = str(folder / _INT8)
    request["float_outputs"] = None if float_outputs is None else str(folder / _FLOAT_OUTPUTS)
    reply = crew.quantize(request)
    int8 = _take(crew, target, float_outputs)
    correction = reply.get("bias_correction", {})
    equalization = reply.get("equalization", {})
    return Int8Model(
        path=target,
        model=int8,
        calibrator=str(reply["calibrator"]),
        samples=int(reply["samples"]),
        io=config.quantization.io,
        bias_correction=bool(correction.get("kept", False)),
        bias_correction_gain=correction.get("gain_db"),
        equalization=prepared.equalized or bool(equalization.get("kept", False)),
        equalization_gain=equalization.get("gain_db"),
        findings=(*prepared.findings, *map(Finding.from_json, reply["findings"])),
        seconds={
            "calibration": calibrated - started,
            "quantization": time.monotonic() - calibrated,
        },
        tried=tuple(Trial(**trial) for trial in reply.get("tried", [])),
        why=str(reply.get("why", "")),
        layer_errors=tuple(LayerError.from_json(error) for error in reply.get("layer_errors", [])),
        rewrites=prepared.rewrites,
        float_outputs=float_outputs,
        workers=crew.workers,
        statistics=statistics,
        sheet=reply["sheet"],
    )


def accept_full_integer(path: Path) -> TfliteModel:
    """A model that somebody else quantized, verified as ours are.

    Raises:
        QuantizationError: if it is not full-integer; `findings` names every operator and tensor.
    """
    model = read_model(path)
    _refuse("the model is not full-integer", verify(model))
    return model


def _request(
    config: ModelConfig, model: FloatModel, paths: PathRules, prepared: Path
) -> dict[str, Any]:
    """What both kinds of child process are told."""
    calibration, quantization = config.calibration, config.quantization
    auto = calibration.method == "auto"

    def switch(value: bool | None) -> bool | None:
        return value if value is not None or auto else False

    equalize = switch(quantization.cross_layer_equalization)
    return {
        "model": model.to_json(),
        "float": str(prepared),
        "calibration": calibration.model_dump(mode="json"),
        "preprocess": config.preprocess.model_dump(mode="json"),
        "paths": paths.to_json(),
        "bins": calibration.bins if calibration.method in NEEDS_HISTOGRAMS else None,
        "method": calibration.method,
        "options": {"percentile": calibration.percentile, "momentum": calibration.momentum},
        "ranges": {name: list(value) for name, value in config.ranges.items()},
        "io": quantization.io,
        "steps": {
            "bias_correction": switch(quantization.bias_correction),
            # True is done before observation, to the float model.
            "cross_layer_equalization": None if equalize is None else False,
            "layer_errors": switch(quantization.layer_errors),
        },
    }


def _take(crew: Crew, target: Path, float_outputs: Path | None) -> TfliteModel:
    """What the quantizer left, put where it belongs once it is verified."""
    try:
        content = crew.made(_INT8)
        result = read_model(content)
        _refuse("the result is not full-integer", verify(result))
        write_file(target, content)
        if float_outputs is not None:
            write_file(float_outputs, crew.made(_FLOAT_OUTPUTS))
    except OSError as error:
        raise QuantizationError(f"the quantized model can't be kept: {error}") from error
    return result


def _refuse(what: str, findings: list[Finding]) -> None:
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        more = f" (and {len(errors) - 1} more findings)" if len(errors) > 1 else ""
        raise QuantizationError(
            f"{what}: {errors[0].message}{more}",
            hint=errors[0].advice,
            findings=findings,
            topic="not-full-integer",
        )
