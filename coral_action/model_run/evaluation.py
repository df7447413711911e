"""The evaluation stage of one model: whole, or one shard of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from coral_action.evaluation import (
    Accuracy,
    Shard,
    evaluate,
    notice,
    require_limited_metric,
)
from coral_action.findings import Finding
from coral_action.loading import FloatModel, check_conversion
from coral_action.quantization import Int8Model, quantize_model
from coral_action.sharding import write_shard

if TYPE_CHECKING:
    from coral_action.config.schema import ModelConfig
    from coral_action.model_run.run import ModelRun


def shares_samples(config: ModelConfig) -> bool:
    """Whether calibration meets samples of the evaluation: their float outputs are known then.

    Samples go by their names, so both sections have to name the very same files.
    """
    if config.evaluation is None or config.quantization.cross_layer_equalization:
        return False  # an equalized model's outputs are those of another rounding
    kind, value = config.calibration.source
    return kind != "python" and (kind, value) == config.evaluation.source


def accuracy_of(
    run: ModelRun, loaded: FloatModel, scratch: Path, made: Int8Model | None
) -> Accuracy:
    """The evaluation, and beside it the check of the loading; each only if it is not kept."""
    known = made.float_outputs if made is not None and not made.rewrites else None
    with run.from_cache("evaluation"):
        accuracy = run.kept.evaluation(loaded, run.int8_path, scratch)
        checked = _known_check(run, loaded, scratch)
    if accuracy is None or checked is None:
        run.wait_for_room()
        with run.stage("evaluation") as advance, _conversion_checked(run, loaded, checked):
            if accuracy is None:
                accuracy = evaluate(
                    run.config,
                    loaded,
                    run.int8_path,
                    run.options.paths,
                    on_progress=advance,
                    allow_custom_code=run.options.allow_custom_code,
                    known_float_outputs=known,
                )
                run.kept.keep_evaluation(loaded, run.int8_path, accuracy)
    else:
        run.findings += checked
    # New or kept, it is judged by the limits of today.
    require_limited_metric(accuracy, run.config.limits)
    return replace(accuracy, findings=notice(accuracy, run.config.limits))


def blamed_layers(run: ModelRun, loaded: FloatModel, scratch: Path, made: Int8Model) -> Int8Model:
    """After a structural loss: the same model with the error of each layer.

    It is quantized once more where its layers were not looked at, which makes the same bytes.
    """
    quantization = run.config.quantization
    if made.layer_errors or quantization.layer_errors is False:
        return made
    looked = quantization.model_copy(update={"layer_errors": True})
    run.wait_for_room()
    with run.stage("layer errors") as advance:
        again = quantize_model(
            run.config.model_copy(update={"quantization": looked}),
            loaded,
            run.options.paths,
            scratch / "looked-at.tflite",
            on_progress=advance,
            allow_custom_code=run.options.allow_custom_code,
        )
    found = replace(made, layer_errors=again.layer_errors)
    run.kept.keep_quantization(loaded, found)
    return found


def _known_check(run: ModelRun, loaded: FloatModel, scratch: Path) -> Sequence[Finding] | None:
    """What holding the float model against the original found; None where nobody has yet."""
    return () if loaded.conversion_checked else run.kept.conversion(loaded, scratch)


@contextmanager
def _conversion_checked(
    run: ModelRun, loaded: FloatModel, known: Sequence[Finding] | None
) -> Iterator[None]:
    """Around the evaluation: what came the short way is held against TensorFlow beside it."""
    if known is not None:
        yield
        run.findings += known
        return
    with ThreadPoolExecutor(1) as beside:
        checking = beside.submit(
            copy_context().run,
            lambda: check_conversion(
                run.config,
                loaded,
                run.options.paths,
                allow_custom_code=run.options.allow_custom_code,
            ),
        )
        yield
        found = checking.result()
    run.kept.keep_conversion(found)
    run.findings += found


def measure_shard(
    run: ModelRun, loaded: FloatModel, made: Int8Model | None, shard: Shard, scratch: Path
) -> None:
    """One shard of the evaluation: measured here, scored by `merge`."""
    run.wait_for_room()
    with run.stage("evaluation") as advance, ExitStack() as beside:
        if shard.makes_model:
            known = _known_check(run, loaded, scratch)
            beside.enter_context(_conversion_checked(run, loaded, known))
        run.sections["shard"] = write_shard(
            run.config,
            loaded,
            run.int8_path,
            run.options.paths,
            shard,
            calibration=made.statistics if made else None,
            on_progress=advance,
            allow_custom_code=run.options.allow_custom_code,
        )
