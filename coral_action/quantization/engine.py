"""The task of the quantizing child process: ranges, quantizer, what `auto` tries, layer errors."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from coral_action.data import Sample, Samples, contact_sheet
from coral_action.findings import Finding
from coral_action.isolation import ProgressCallback
from coral_action.quantization.asked import not_as_asked
from coral_action.quantization.bias_correction import correct_biases
from coral_action.quantization.calibrators import CALIBRATORS, Options, Ranges
from coral_action.quantization.dead import dead, revive
from coral_action.quantization.equalization import equalize
from coral_action.quantization.io_types import to_uint8
from coral_action.quantization.layer_error import layer_errors
from coral_action.quantization.observation import Observed, merge, observe, open_calibration
from coral_action.quantization.quantizer import annotate, quantize
from coral_action.quantization.ranges import known, override
from coral_action.quantization.scoring import Score, score
from coral_action.quantization.selection import beats, candidates, choose, explain
from coral_action.tflite import read_model

# Calibration samples that are read again for what `auto` measures: half to fit, half to judge.
_PROBES = 128
_MOST_FITTING = 48
_BIAS_MARGIN_DB = 0.1
_EQUALIZATION_MARGIN_DB = 0.5
_WORST_LAYERS = 10


@dataclass
class _Probes:
    """Calibration samples to measure on."""

    samples: list[Sample]

    @property
    def judging(self) -> list[Sample]:
        """Every second one."""
        return self.samples[::2]

    @property
    def fitting(self) -> list[Sample]:
        """The others; when there are too few, the same ones."""
        return self.samples[1::2][:_MOST_FITTING] or self.samples


@dataclass
class _Engine:
    content: bytes  # the float model
    observed: Observed
    options: Options
    overrides: dict[str, Sequence[float]]
    request: dict[str, Any]
    _probes: _Probes | None = None
    result: dict[str, Any] = field(default_factory=dict)

    def quantize(self, method: str, options: Options) -> bytes:
        """The int8 model with a calibrator's ranges."""
        return self._quantize(
            self.content, self.observed, CALIBRATORS[method](self.observed, options)
        )

    def _quantize(self, content: bytes, observed: Observed, ranges: Ranges) -> bytes:
        model = read_model(content)
        fixed = override(model, known(model, ranges), self.overrides)
        return quantize(annotate(content, revive(model, fixed, observed)))

    @property
    def samples(self) -> Samples:
        """The calibration samples, once more."""
        return open_calibration(self.request)

    @property
    def probes(self) -> _Probes:
        """Read once, when first asked for: evenly spaced among all samples."""
        if self._probes is None:
            samples = self.samples
            step = -(-len(samples) // _PROBES)
            self._probes = _Probes(list(samples.shard(0, step)))
        return self._probes

    def measure(self, int8: bytes) -> Score:
        samples = self.probes.judging
        rows = self.observed.rows([sample.position for sample in samples])
        return score(int8, samples, self.observed.outputs, rows)

    def choose(self) -> tuple[str, Options]:
        """The calibrator that auto keeps."""
        count = len(self.probes.judging)
        best, trials = choose(
            self.observed,
            self.options,
            lambda ranges: self.measure(self._quantize(self.content, self.observed, ranges)),
        )
        self.result["tried"] = [trial.to_json() for trial in trials]
        self.result["why"] = explain(trials, count)
        name, method, options = candidates(self.options)[best]
        self.result["calibrator"] = name
        return method, options

    def equalize(self, method: str, options: Options, bins: int) -> None:
        """Go on with the equalized float model, if that measurably helps."""
        equalized, pairs = equalize(self.content)
        if not pairs:
            return
        probes = self.probes.samples
        scores = []
        for content in (self.content, equalized):
            seen = self._observe(content, probes, bins)
            int8 = self._quantize(content, seen, CALIBRATORS[method](seen, options))
            scores.append(self.measure(int8))
        gain = scores[1].sqnr - scores[0].sqnr
        kept = beats(scores[1], scores[0], _EQUALIZATION_MARGIN_DB)
        self.result["equalization"] = {"pairs": pairs, "gain_db": gain, "kept": kept}
        if kept:
            outputs = self.observed.outputs
            self.content = equalized
            self.observed = self._observe(equalized, self.samples, bins)
            self.observed.outputs.update(outputs)

    def correct(self, int8: bytes, *, always: bool) -> bytes:
        """The model with corrected biases, if asked for or if that measurably helps."""
        corrected = correct_biases(int8, self.content, self.probes.fitting)
        if corrected == int8:
            return int8
        before, after = self.measure(int8), self.measure(corrected)
        kept = always or beats(after, before, _BIAS_MARGIN_DB)
        self.result["bias_correction"] = {"gain_db": after.sqnr - before.sqnr, "kept": kept}
        return corrected if kept else int8

    def findings(self, int8: bytes) -> list[Finding]:
        """What is odd about the ranges."""
        model = read_model(self.content)
        found = dead(model, self.observed)
        if self.overrides:
            tensors = self.observed.tensors
            found += not_as_asked(model, read_model(int8), tensors, self.overrides)
        return found

    def _observe(self, content: bytes, samples: Sequence[Sample] | Samples, bins: int) -> Observed:
        return observe(content, samples, total=len(samples), bins=bins)


def quantize_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Quantize `request["float"]` with the ranges in `request["observed"]` to `request["output"]`.

    Switches of `request["steps"]` are True, False, or None for "if it measurably helps".
    """
    with ThreadPoolExecutor(1) as beside:
        # One core is idle meanwhile.
        drawing = beside.submit(contact_sheet, [Path(name) for name in request["tiles"]])
        return {**_quantize(request), "sheet": drawing.result()}


def _quantize(request: dict[str, Any]) -> dict[str, Any]:
    observed = merge([Observed.load(Path(name)) for name in request["observed"]])
    engine = _Engine(
        Path(request["float"]).read_bytes(),
        observed,
        Options(**request["options"]),
        request["ranges"],
        request,
    )
    steps: dict[str, bool | None] = request["steps"]
    method, options = request["method"], engine.options
    engine.result["calibrator"] = method
    if method == "auto":
        method, options = engine.choose()
    if steps["cross_layer_equalization"] is None:
        engine.equalize(method, options, request["calibration"]["bins"])
    int8 = engine.quantize(method, options)
    if steps["bias_correction"] is not False:
        int8 = engine.correct(int8, always=steps["bias_correction"] is True)
    if steps["layer_errors"] is not False:
        probes = engine.probes.samples
        errors = layer_errors(int8, engine.content, probes, histograms=_WORST_LAYERS)
        engine.result["layer_errors"] = [error.to_json() for error in errors[:_WORST_LAYERS]]
    engine.result["findings"] = [asdict(finding) for finding in engine.findings(int8)]
    # Last of all: what is measured before goes by the names of the float model's tensors.
    int8 = to_uint8(int8) if request["io"] == "uint8" else int8
    Path(request["output"]).write_bytes(int8)
    if request["float_outputs"] is not None:
        _save_outputs(Path(request["float_outputs"]), observed)
    return {"samples": observed.samples, **engine.result}


def _save_outputs(path: Path, observed: Observed) -> None:
    """Float outputs by name, (N, *shape), and the samples' names under `names`."""
    outputs = {f"output:{name}": value for name, value in observed.outputs.items()}
    with path.open("wb") as file:
        np.savez(file, names=np.asarray(observed.names, dtype=np.str_), **outputs)  # type: ignore[arg-type]
