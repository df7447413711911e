"""The whole stage, in its child processes."""

# ruff: noqa: F811 - fixtures are imported by name

from __future__ import annotations

import re
import threading
from pathlib import Path

import numpy as np
import pytest
from zoo_support import Quantize, Zoo, quantized, zoo  # noqa: F401 - fixtures too

from coral_action.errors import CoralQuantizeError, QuantizationError, StageCrashError
from coral_action.inference import Runner
from coral_action.isolation import Limits
from coral_action.quantization.crew import Crew
from coral_action.quantization.graph import Graph
from coral_action.quantization.names import distinct_names
from coral_action.quantization.scoring import score
from coral_action.report.build import layer_data
from coral_action.tflite import read_model


@pytest.mark.parametrize("method", ["min_max", "auto"])
def test_same_bytes_whatever_the_number_of_workers(quantized: Quantize, method: str) -> None:
    results = []
    for workers in (1, 2, 3):
        result = quantized("residual", workers=workers, calibration={"method": method})
        assert result.workers == workers
        assert result.samples == 100
        results.append((result.path.read_bytes(), result.tried, result.layer_errors))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("method", ["moving_average", "percentile", "mse", "entropy"])
def test_every_method_quantizes(quantized: Quantize, method: str) -> None:
    result = quantized("chain", calibration={"method": method})
    assert result.calibrator == method
    assert result.tried == ()
    assert result.layer_errors == ()
    assert not result.bias_correction


def test_auto_says_what_it_tried_and_why(quantized: Quantize) -> None:
    result = quantized("chain")
    assert [trial.name for trial in result.tried][:2] == ["min_max", "percentile 99.99"]
    assert sum(trial.kept for trial in result.tried) == 1
    assert result.why
    assert result.bias_correction_gain is not None
    assert 0 < len(result.layer_errors) <= 10
    decibels = [error.sqnr for error in result.layer_errors]
    assert decibels == sorted(decibels)


def test_spiked_samples_cost_min_max_what_auto_saves(
    quantized: Quantize, zoo: Zoo, tmp_path: Path
) -> None:
    """2 of 100 samples hold five values 100 times too large."""
    array = np.load(zoo.folder / "residual.npy")
    generator = np.random.default_rng(5)
    for index in (20, 70):
        array[index].flat[generator.integers(0, array[index].size, 5)] = 400.0
    np.save(tmp_path / "spiked.npy", array)
    clean = [s for i, s in enumerate(zoo.samples("residual")) if i not in (20, 70)]
    model = read_model(zoo.path("residual"))
    runner = Runner(zoo.path("residual"), model.input_names(), model.output_names())
    expected = {"output_0": np.concatenate([runner.run(s.inputs)["output_0"] for s in clean])}
    decibels = {}
    for method in ("min_max", "auto"):
        result = quantized("residual", data=tmp_path / "spiked.npy", calibration={"method": method})
        int8 = result.path.read_bytes()
        decibels[method] = score(int8, clean, expected, range(len(clean))).sqnr
    assert result.calibrator != "min_max"
    assert decibels["auto"] > decibels["min_max"] + 10


def test_float_outputs_are_written_for_evaluation(
    quantized: Quantize, zoo: Zoo, tmp_path: Path
) -> None:
    target = tmp_path / "outputs.npz"
    result = quantized("chain", calibration={"method": "min_max"}, float_outputs=target)
    assert result.float_outputs == target
    model = read_model(zoo.path("chain"))
    runner = Runner(zoo.path("chain"), model.input_names(), model.output_names())
    with np.load(target) as held:
        samples = {sample.name: sample for sample in zoo.samples("chain")}
        assert set(held["names"]) == set(samples)
        assert len(held["names"]) == 100
        chosen = [samples[str(name)] for name in held["names"]]
        expected = np.stack([runner.run(sample.inputs)["output_0"] for sample in chosen])
        np.testing.assert_allclose(held["output:output_0"], expected, atol=1e-6)


def test_outputs_without_a_batch_dimension_are_kept_and_judged_whole(
    quantized: Quantize, zoo: Zoo, tmp_path: Path
) -> None:
    """36 rows and a scalar: nothing but the first row of all would hide errors of the others."""
    target = tmp_path / "outputs.npz"
    result = quantized(
        "without_batch",
        float_outputs=target,
        quantization={"bias_correction": False, "cross_layer_equalization": False},
    )
    model = read_model(zoo.path("without_batch"))
    runner = Runner(zoo.path("without_batch"), model.input_names(), model.output_names())
    ours = Runner(result.path, result.model.input_names(), result.model.output_names())
    with np.load(target) as held:
        names = [str(name) for name in held["names"]]
        kept = {name: held[f"output:{name}"] for name in ("rows", "mean")}
    samples = {sample.name: sample for sample in zoo.samples("without_batch")}
    ratios = []
    for place, name in enumerate(names):
        real, rounded = (one.run(samples[name].inputs) for one in (runner, ours))
        for output, value in real.items():
            np.testing.assert_allclose(kept[output][place], value, atol=1e-5)
        if place % 2 == 0:  # every second sample judges
            ratios.append([sqnr_of(real[output], rounded[output]) for output in real])
    assert kept["rows"].shape == (100, 36, 4)
    (trial,) = [trial for trial in result.tried if trial.kept]
    assert trial.sqnr == pytest.approx(np.mean(ratios), abs=0.05)


def sqnr_of(real: np.ndarray, rounded: np.ndarray) -> float:
    noise = np.sum(np.square(real - rounded, dtype=np.float64))
    ratio = 10 * np.log10(np.sum(np.square(real, dtype=np.float64)) / noise) if noise else 60.0
    return float(np.clip(ratio, -20, 60))


@pytest.mark.parametrize("method", ["min_max", "percentile", "auto"])
def test_a_dead_layer_is_named_and_int8_is_right_all_the_same(
    quantized: Quantize, zoo: Zoo, method: str
) -> None:
    """What follows has biases from 0 to 4; in steps of a tensor of +-1e-6, int32 ends at 0.1."""
    result = quantized("dead_relu", calibration={"method": method})
    assert [finding.id for finding in result.findings] == ["CQ221"]
    assert "in all 100 calibration samples" in result.findings[0].message
    for kernels in ("xnnpack", "builtin"):
        names = result.model.input_names(), result.model.output_names()
        runner = Runner(result.path, *names, kernels=kernels)
        outputs = runner.run(zoo.samples("dead_relu", 1)[0].inputs)["output_0"]
        np.testing.assert_allclose(outputs, [[0, 1, 2, 3, 4]], atol=4 / 255)


def test_an_input_that_is_always_zero_is_named(
    quantized: Quantize, zoo: Zoo, tmp_path: Path
) -> None:
    np.save(tmp_path / "zeros.npy", np.zeros((4, 12, 12, 3), np.float32))
    result = quantized("chain", data=tmp_path / "zeros.npy", calibration={"method": "min_max"})
    assert [finding.message for finding in result.findings] == [
        "input x is zero in all 4 calibration samples"
    ]
    (place,) = result.model.inputs
    assert result.model.tensors[place].scales == pytest.approx((2 / 255,))


def test_uint8(quantized: Quantize) -> None:
    result = quantized("chain", calibration={"method": "min_max"}, quantization={"io": "uint8"})
    assert result.io == "uint8"
    assert {result.model.tensors[i].type for i in result.model.inputs} == {"UINT8"}


@pytest.mark.parametrize("signed", [True, False])
def test_uint8_changes_the_type_and_nothing_else(
    quantized: Quantize, zoo: Zoo, tmp_path: Path, signed: bool
) -> None:
    """Same names, choices and layer errors; files from before 2021 have no signature."""
    name = "chain"
    if not signed:
        graph, whole = Graph(zoo.content(name)), zoo
        graph.model.signatureDefs = None
        zoo = Zoo(tmp_path / "unsigned")
        zoo.folder.mkdir()
        zoo.path(name).write_bytes(graph.pack())
        np.save(zoo.folder / f"{name}.npy", np.load(whole.folder / f"{name}.npy"))
    names = read_model(zoo.path(name)).input_names(), read_model(zoo.path(name)).output_names()
    steps = {"bias_correction": True, "layer_errors": True}
    results = {}
    for io in ("int8", "uint8"):
        made = quantized(name, zoo=zoo, quantization={"io": io, **steps})
        assert list(made.model.input_names()) == list(names[0])
        assert list(made.model.output_names()) == list(names[1])
        results[io] = made
    assert results["uint8"].tried == results["int8"].tried
    assert results["uint8"].layer_errors == results["int8"].layer_errors
    assert results["uint8"].bias_correction_gain == results["int8"].bias_correction_gain
    places = {
        io: {d.name: (d.operator, d.index) for d in layer_data(m)} for io, m in results.items()
    }
    assert places["uint8"] == {n: (kind, i + 1) for n, (kind, i) in places["int8"].items()}


@pytest.mark.parametrize("name", [b"", b"same"])
@pytest.mark.parametrize("signed", [True, False])
def test_names_do_not_matter(
    quantized: Quantize, zoo: Zoo, tmp_path: Path, name: bytes, signed: bool
) -> None:
    """All tensors have one name, or none: the same model as from distinct names."""
    given = "x" if signed else name.decode()
    data = tmp_path / "data.npz"
    np.savez(data, x=np.load(zoo.folder / "residual.npy"))
    expected = quantized("residual", data=data).path.read_bytes()
    np.savez(data, **{given or "x": np.load(zoo.folder / "residual.npy")})
    graph, whole = Graph(zoo.content("residual")), zoo
    for tensor in graph.tensors:
        tensor.name = name
    if not signed:
        graph.model.signatureDefs = None
    zoo = Zoo(tmp_path / "unnamed")
    zoo.folder.mkdir()
    zoo.path("residual").write_bytes(graph.pack())
    made = quantized("residual", zoo=zoo, data=data)
    assert list(made.model.input_names()) == [given]
    assert len({tensor.name for tensor in made.model.tensors}) == len(made.model.tensors)
    samples = whole.samples("residual", 4)
    outputs = []
    for content in (expected, made.path.read_bytes()):
        model = read_model(content)
        runner = Runner(content, model.input_names(), model.output_names())
        (place,) = model.input_names()
        outputs.append(
            [next(iter(runner.run({place: s.inputs["x"]}).values())).tolist() for s in samples]
        )
    assert outputs[0] == outputs[1]


def test_two_inputs_without_a_name_are_an_error(zoo: Zoo) -> None:
    graph = Graph(zoo.content("residual"))
    graph.inputs = [*graph.inputs, graph.add_tensor("", (1, 2))]
    graph.tensors[graph.inputs[0]].name = b""
    graph.model.signatureDefs = None
    with pytest.raises(QuantizationError, match="2 inputs of the model have 1 names between them"):
        distinct_names(graph.pack())


def test_ranges_of_coral_yml_reach_the_scales(quantized: Quantize) -> None:
    result = quantized("chain", calibration={"method": "min_max"}, ranges={"x": [-2.55, 2.55]})
    (place,) = result.model.inputs
    assert result.model.tensors[place].scales == pytest.approx((5.1 / 255,))


def test_a_range_without_zero_is_widened_to_it(quantized: Quantize) -> None:
    result = quantized("chain", calibration={"method": "min_max"}, ranges={"x": [1, 6]})
    (place,) = result.model.inputs
    assert result.model.tensors[place].scales == pytest.approx((6 / 255,))
    assert result.findings == ()


@pytest.mark.parametrize(
    ("name", "key", "why"),
    [
        ("chain", "output_0", r"has \[0, 0.9961\]: the int8 kernel of SOFTMAX fixes it"),
        ("without_batch", "rows", "it shares its scale with .* on the other side of RESHAPE"),
    ],
)
def test_a_range_that_cannot_be_had_is_named(
    quantized: Quantize, name: str, key: str, why: str
) -> None:
    (finding,) = quantized(
        name, calibration={"method": "min_max"}, ranges={key: [0, 0.25]}
    ).findings
    assert finding.id == "CQ222"
    assert finding.message.startswith(f"ranges asks for {key} [0, 0.25], but tensor ")
    assert re.search(why, finding.message)


def test_unknown_tensor_in_ranges_is_an_error(quantized: Quantize) -> None:
    with pytest.raises(QuantizationError, match="no tensor of the float model is named nope"):
        quantized("chain", calibration={"method": "min_max"}, ranges={"nope": [0.0, 1.0]})


def test_missing_data_is_an_error_and_leaves_no_thread(quantized: Quantize, tmp_path: Path) -> None:
    before = threading.enumerate()
    with pytest.raises(CoralQuantizeError, match="no such file"):
        quantized("chain", data=tmp_path / "missing.npy")
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(timeout=5)  # the meter of memory looks every tenth of a second for its end
    assert not [thread.name for thread in left if thread.is_alive()]


def test_a_worker_that_dies_is_an_error() -> None:
    with Crew(1, Limits(memory_bytes=2**20)) as crew, pytest.raises(StageCrashError):
        crew.begin([{"shard": [0, 1]}], None)
        crew.observed()


def test_progress_counts_all_workers(zoo: Zoo, tmp_path: Path) -> None:
    from coral_action.config.data_schema import CalibrationConfig
    from coral_action.config.paths import PathRules
    from coral_action.config.schema import ModelConfig
    from coral_action.quantization import quantize_model, start_crew

    config = ModelConfig(
        name="chain",
        source="chain",
        calibration=CalibrationConfig(npy=str(zoo.folder / "chain.npy"), method="min_max"),
    )
    seen: list[tuple[int, int]] = []
    with start_crew(config, workers=2) as crew:
        quantize_model(
            config,
            zoo.float_model("chain"),
            PathRules(tmp_path),
            tmp_path / "out.tflite",
            crew=crew,
            on_progress=lambda done, total: seen.append((done, total)),
        )
    assert {total for _, total in seen} <= {100}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
