"""check, inspect, compile and diagnose as the user calls them."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from coral_action.commands.check import check
from coral_action.commands.compile import compile_
from coral_action.commands.diagnose import diagnose
from coral_action.commands.inspect import inspect
from coral_action.config.edge_tpu_schema import EdgeTpuConfig
from coral_action.edgetpu import compile_group
from coral_action.errors import CompilerError, CoralQuantizeError, ModelError, UsageError
from edgetpu.conftest import StandIn
from edgetpu.graphs import chain

PROJECT = Path(__file__).resolve().parents[2]
Make = Callable[..., StandIn]


def run(command: click.Command, *words: Any) -> Result:
    result = CliRunner().invoke(command, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    path = tmp_path / "leaky.tflite"
    path.write_bytes(chain(["RELU", "LEAKY_RELU", "RELU"]))
    return path


def test_check_as_json_has_the_promised_fields(leaky: Path) -> None:
    report = json.loads(run(check, leaky, "--json").stdout)
    assert (report["edge_tpu"], report["cpu"], report["subgraphs"]) == (1, 2, 1)
    assert report["origin"] == "predicted"
    assert report["operators"][0] == {"index": 0, "name": "RELU", "target": "edge_tpu"}
    assert report["operators"][1]["target"] == "cpu"
    assert report["operators"][1]["reason"] == "LEAKY_RELU is not supported"
    assert "ReLU6" in report["operators"][1]["advice"]
    assert [finding["id"] for finding in report["findings"]] == ["CQ101", "CQ108"]
    assert report["findings"][0]["severity"] == "warning"


def test_check_in_words(leaky: Path) -> None:
    text = run(check, leaky).stdout
    assert "1 of 3 operators are expected on the Edge TPU" in text
    assert "LEAKY_RELU is not supported" in text
    assert "set `outputs: [t0]`" in text


def test_a_finding_can_be_ignored(leaky: Path) -> None:
    report = json.loads(run(check, leaky, "--json", "--ignore", "CQ101").stdout)
    assert [finding["id"] for finding in report["findings"]] == ["CQ108"]


def test_check_imports_neither_tensorflow_nor_pydantic(leaky: Path) -> None:
    code = (
        "import sys\n"
        "from coral_action.commands.check import check\n"
        "check(standalone_mode=False)\n"
        "heavy = {'tensorflow', 'pydantic', 'PIL', 'rich', 'requests', 'jinja2'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", code, str(leaky)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("loaded: []")


def test_a_file_that_is_not_there_is_one_clean_error(tmp_path: Path) -> None:
    for command in (check, inspect):
        with pytest.raises(ModelError, match="can't be read"):
            run(command, tmp_path / "none.tflite")


def test_damaged_files_end_in_one_clean_error_or_a_report(leaky: Path, tmp_path: Path) -> None:
    content = leaky.read_bytes()
    damaged = tmp_path / "damaged.tflite"
    chance = random.Random(11)
    refused = 0
    for _ in range(300):
        changed = bytearray(
            content[: chance.choice([len(content), chance.randrange(len(content))])]
        )
        for _ in range(chance.randint(0, 6)):
            if changed:
                changed[chance.randrange(len(changed))] = chance.randrange(256)
        damaged.write_bytes(changed)
        try:
            run(check, damaged, "--json")
        except ModelError as error:
            refused += 1
            assert "\n" not in error.message
            assert error.exit_code == 3
    assert refused > 100


def test_inspect_shows_what_a_compiled_file_holds(corpus: Path) -> None:
    path = corpus / "corpus" / "compiled" / "movenet_single_pose_lightning_ptq_edgetpu.tflite"
    original = path.with_name("movenet_single_pose_lightning_ptq.tflite")
    report = json.loads(run(inspect, path, "--json", "--original", original).stdout)
    assert report["cached_parameter_bytes"] == 2862656
    assert report["streamed_parameter_bytes"] == 2368
    assert report["min_runtime_version"] == 12
    layers = report["subgraphs"][0]["inputs"]
    assert layers[0]["name"] == "tfl.quantize"
    assert layers[0]["shape"] == [192, 192, 3]
    assert report["placement"]["edge_tpu"] == 98
    text = run(inspect, path, "--original", original).stdout
    assert "98 operators on the Edge TPU, 59 on the CPU" in text
    assert "parameters streamed 2,368 bytes" in text


def test_inspect_of_another_original_is_refused(corpus: Path) -> None:
    folder = corpus / "corpus" / "compiled"
    path = folder / "movenet_single_pose_lightning_ptq_edgetpu.tflite"
    others = [p for p in folder.glob("*.tflite") if not p.stem.endswith("_edgetpu")]
    assert len(others) > 5
    for other in others:
        if other.stem + "_edgetpu" == path.stem:
            continue
        with pytest.raises(ModelError, match="was not compiled from"):
            run(inspect, path, "--original", other)
    # Two sizes of one family: the same names, the same outputs.
    path = folder / "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
    run(inspect, path, "--original", folder / "mobilenet_v1_0.25_128_quant.tflite")
    with pytest.raises(ModelError, match="was not compiled from"):
        run(inspect, path, "--original", folder / "mobilenet_v1_0.5_160_quant.tflite")


def test_inspect_takes_a_log_with_the_original_only(leaky: Path) -> None:
    with pytest.raises(UsageError, match="--log is held against --original"):
        run(inspect, leaky, "--log", leaky)


def test_inspect_of_a_file_that_is_not_compiled_says_so(leaky: Path) -> None:
    assert "no Edge TPU subgraph" in run(inspect, leaky).stdout


def test_inspect_holds_the_log_against_the_file(stand_in: Make, model: Path) -> None:
    run(compile_, model, "--compiler", stand_in().path)
    log = model.with_name("model_edgetpu.log")
    log.write_text(log.read_text().replace("subgraphs: 1", "subgraphs: 2"))
    compiled = model.with_name("model_edgetpu.tflite")
    words = [compiled, "--json", "--original", model, "--log", log]
    report = json.loads(run(inspect, *words).stdout)
    assert [finding["id"] for finding in report["findings"]] == ["CQ151"]
    words.remove("--json")
    assert "CQ151: " in run(inspect, *words).stdout
    log.write_text("Edge TPU Compiler version 16.0.384591198\n\nCompilation failed!\n")
    with pytest.raises(ModelError, match="nothing in it is of a compiled model"):
        run(inspect, *words)


def test_inspect_of_a_segment_tells_of_its_own_operators(stand_in: Make, tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(chain(["QUANTIZE", "RELU", "ADD", "RELU", "RELU", "LOGISTIC", "ARG_MAX"]))
    run(compile_, model, "--compiler", stand_in().path, "--segments", 3)
    told = []
    for number in range(3):
        segment = tmp_path / f"model_segment_{number}_of_3_edgetpu.tflite"
        words = ["--original", model, "--log", tmp_path / "model_edgetpu.log"]
        report = json.loads(run(inspect, segment, "--json", *words).stdout)
        assert "CQ151" not in [finding["id"] for finding in report["findings"]]
        told += [(item["index"], item["target"]) for item in report["placement"]["operators"]]
        last = number == 2
        assert f"on the Edge TPU, {int(last)} on the CPU" in run(inspect, segment, *words).stdout
    assert told == [(index, "cpu" if index == 6 else "edge_tpu") for index in range(7)]


def test_inspect_finds_its_model_in_a_log_of_several(stand_in: Make, tmp_path: Path) -> None:
    models = [tmp_path / "long.tflite", tmp_path / "short.tflite"]
    for path, kinds in zip(models, (["RELU"] * 5, ["RELU"] * 2), strict=True):
        path.write_bytes(chain(kinds))
    compile_group(stand_in().path, models, EdgeTpuConfig())
    for path in reversed(models):
        compiled = path.with_name(f"{path.stem}_edgetpu.tflite")
        log = path.with_name(f"{path.stem}_edgetpu.log")
        assert log.read_text().count("Input model: ") == 2
        words = [compiled, "--json", "--original", path, "--log", log]
        assert json.loads(run(inspect, *words).stdout)["findings"] == []
        renamed = compiled.rename(tmp_path / "renamed.tflite")
        words[0] = renamed
        assert json.loads(run(inspect, *words).stdout)["findings"] == []
        words[3] = path.rename(tmp_path / "other.tflite")
        with pytest.raises(ModelError, match="about 2 models, none of them called renamed"):
            run(inspect, *words)


def test_compile_from_the_command_line(stand_in: Make, leaky: Path) -> None:
    reports = json.loads(run(compile_, leaky, "--compiler", stand_in().path, "--json").stdout)
    assert reports[0]["version"] == "16.0.384591198"
    assert reports[0]["outcome"] == "partial"
    assert reports[0]["placement"]["cpu"] == 2
    assert reports[0]["files"] == ["leaky_edgetpu.tflite"]


def test_a_failed_compilation_is_diagnosed(stand_in: Make, model: Path) -> None:
    compiler = stand_in(fail_on=["t2"])
    with pytest.raises(CompilerError, match=r"ADD \(operator 2\), layer t2") as caught:
        run(compile_, model, "--compiler", compiler.path)
    assert [finding.id for finding in caught.value.findings] == ["CQ150", "CQ157"]
    with pytest.raises(CompilerError) as caught:
        run(compile_, model, "--compiler", compiler.path, "--no-diagnose")
    assert [finding.id for finding in caught.value.findings] == ["CQ150"]


def test_diagnose_from_the_command_line(stand_in: Make, model: Path) -> None:
    report = json.loads(
        run(diagnose, model, "--compiler", stand_in(fail_on=["t1"]).path, "--json").stdout
    )
    assert report["culprits"][0]["operators"] == [1]
    assert report["outcome"] == "failed:large_activation"
    assert report["fix"]


@pytest.mark.parametrize("command", [compile_, diagnose])
def test_doing_without_a_compiler_is_no_way_to_compile(command: click.Command, model: Path) -> None:
    with pytest.raises(UsageError):
        run(command, model, "--compiler", "none")


@pytest.mark.parametrize("command", [check, inspect, compile_, diagnose])
def test_help_has_an_example(command: click.Command) -> None:
    assert "Example: coral-quantize" in run(command, "--help").output


def test_errors_of_commands_are_the_projects_own(model: Path) -> None:
    with pytest.raises(CoralQuantizeError):
        run(compile_, model, "--compiler", "/nowhere/edgetpu_compiler")


@pytest.mark.parametrize("command", [check, compile_, diagnose])
def test_a_compiled_file_is_refused_with_a_pointer_to_inspect(
    command: click.Command, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = corpus / "corpus" / "compiled" / "bright_16x16_edgetpu.tflite"
    compiled = Path(shutil.copy(source, tmp_path / source.name))
    monkeypatch.setenv("EDGETPU_COMPILER", "/nowhere/edgetpu_compiler")  # is not even looked for
    with pytest.raises(UsageError, match="compiled already") as caught:
        run(command, compiled)
    assert "inspect" in caught.value.hint
    assert caught.value.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == [compiled.name]
