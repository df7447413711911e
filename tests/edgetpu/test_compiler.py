"""Running the (stand-in) compiler: options, results, and every way in which it fails."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coral_action.children import CHILDREN
from coral_action.config.edge_tpu_schema import EdgeTpuConfig
from coral_action.edgetpu import (
    compile_group,
    compile_model,
    find_compiler,
    from_compiled,
    placement_of,
)
from coral_action.edgetpu.options import arguments, missing_options
from coral_action.errors import CompilerError, StoppedError, UsageError
from coral_action.tflite import read_model
from edgetpu.conftest import StandIn
from edgetpu.graphs import chain

Make = Callable[..., StandIn]


def test_a_compiled_model_and_its_facts(stand_in: Make, model: Path) -> None:
    compiled = compile_model(stand_in().path, model, EdgeTpuConfig())
    assert compiled.path == model.with_name("model_edgetpu.tflite")
    assert compiled.log.read_text().startswith("Edge TPU Compiler version 16.0.384591198")
    assert compiled.version == "16.0.384591198"
    assert compiled.outcome == "full"
    assert [item.outcome for item in compiled.tries] == ["full"]
    assert compiled.said is not None
    assert compiled.said.operators == compiled.said.mapped == 5
    assert compiled.models[0].min_runtime_version == 14
    assert compiled.findings == ()
    placement = from_compiled(read_model(model), read_model(compiled.path), compiled.said)
    assert (placement.edge_tpu, placement.cpu, placement.subgraphs) == (5, 0, 1)
    assert placement.findings == ()


def test_what_stays_on_the_cpu_is_explained_with_the_compilers_words(
    stand_in: Make, tmp_path: Path
) -> None:
    model = tmp_path / "leaky.tflite"
    model.write_bytes(chain(["RELU", "LEAKY_RELU", "RELU", "RELU"]))
    compiled = compile_model(stand_in().path, model, EdgeTpuConfig())
    placement = from_compiled(read_model(model), read_model(compiled.path), compiled.said)
    assert [o.target for o in placement.operators] == ["edge_tpu", "cpu", "cpu", "cpu"]
    assert "LEAKY_RELU is not supported" in placement.operators[1].reason
    assert "unspecified limitation" in placement.operators[1].reason
    assert "ReLU6" in placement.operators[1].advice
    assert "comes after LEAKY_RELU" in placement.operators[2].reason
    assert "outputs: [t0]" in placement.operators[3].advice
    assert [f.id for f in placement.findings] == ["CQ101", "CQ108"]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("large_activation", "too large for the Edge TPU's memory"),
        ("silent", "died without a reason"),
        ("internal", "internal error"),
        ("out_of_range", "std::out_of_range"),
        ("segfault", "segmentation fault"),
        ("version", "CONV_2D' version '6'"),
        ("nothing", "gave no reason"),
    ],
)
def test_each_failure_has_its_own_message_and_a_fix(
    stand_in: Make, model: Path, how: str, message: str
) -> None:
    compiler = stand_in(fail_on=["t2"], how=how)
    with pytest.raises(CompilerError) as caught:
        compile_model(compiler.path, model, EdgeTpuConfig())
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 4
    assert [f.id for f in caught.value.findings] == ["CQ150"]
    assert not model.with_name("model_edgetpu.tflite").exists()
    assert model.with_name("model_edgetpu.log").is_file()
    assert len(compiler.runs) == 1


def test_zero_mapped_operators_are_a_failure_of_their_own(stand_in: Make, model: Path) -> None:
    with pytest.raises(CompilerError, match="mapped no operator"):
        compile_model(stand_in().path, model, EdgeTpuConfig(min_runtime_version=10))
    assert not model.with_name("model_edgetpu.tflite").exists()


def test_success_without_a_file_is_a_failure(stand_in: Make, model: Path) -> None:
    with pytest.raises(CompilerError, match="no compiled file"):
        compile_model(stand_in(no_file=True).path, model, EdgeTpuConfig())


def test_a_damaged_file_is_a_failure(stand_in: Make, model: Path) -> None:
    with pytest.raises(CompilerError, match="can't be read"):
        compile_model(stand_in(damaged_file=True).path, model, EdgeTpuConfig())


def test_a_file_from_an_earlier_run_is_not_taken_for_a_result(stand_in: Make, model: Path) -> None:
    compile_model(stand_in().path, model, EdgeTpuConfig())
    with pytest.raises(CompilerError):
        compile_model(stand_in(fail_on=["t1"]).path, model, EdgeTpuConfig())
    assert not model.with_name("model_edgetpu.tflite").exists()


def test_an_interrupted_run_takes_nothing_away(
    stand_in: Make, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = compile_model(stand_in().path, model, EdgeTpuConfig()).path
    before = whole.read_bytes()
    hanging = stand_in(hang=True)

    def stop_when_it_runs() -> None:
        while not hanging.runs_file.exists():
            time.sleep(0.02)
        CHILDREN.stop("SIGINT")

    monkeypatch.setattr(CHILDREN, "_stopped_by", "")  # for the tests that follow
    stopper = threading.Thread(target=stop_when_it_runs, daemon=True)
    stopper.start()
    with pytest.raises(StoppedError):
        compile_model(hanging.path, model, EdgeTpuConfig(timeout=60))
    assert whole.read_bytes() == before


def test_a_random_crash_is_tried_again_and_every_try_recorded(stand_in: Make, model: Path) -> None:
    compiler = stand_in(version="14.1.317412892", crash_first=2)
    compiled = compile_model(compiler.path, model, EdgeTpuConfig())
    assert [item.outcome for item in compiled.tries] == [
        "failed:internal_compiler_error",
        "failed:internal_compiler_error",
        "full",
    ]
    assert [item.returncode for item in compiled.tries] == [1, 1, 0]
    assert "CQ153" in [finding.id for finding in compiled.findings]


def test_tries_are_bounded(stand_in: Make, model: Path) -> None:
    compiler = stand_in(version="15.0.340273435", crash_first=9)
    with pytest.raises(CompilerError, match="2 tries"):
        compile_model(compiler.path, model, EdgeTpuConfig(tries=2))
    assert len(compiler.runs) == 2


def test_what_was_not_seen_to_be_random_is_not_repeated(stand_in: Make, model: Path) -> None:
    compiler = stand_in(crash_first=9)  # 16.0
    with pytest.raises(CompilerError):
        compile_model(compiler.path, model, EdgeTpuConfig())
    assert len(compiler.runs) == 1


def test_a_hanging_compiler_is_stopped_with_its_children(
    stand_in: Make, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coral_action.edgetpu.compiler._GRACE_SECONDS", 1)
    began = time.monotonic()
    with pytest.raises(CompilerError, match="did not end in time") as caught:
        compile_model(stand_in(hang=True).path, model, EdgeTpuConfig(timeout=1))
    assert time.monotonic() - began < 20
    assert "timeout" in caught.value.hint


def test_the_compilers_own_timer_is_told_apart(stand_in: Make, model: Path) -> None:
    with pytest.raises(CompilerError, match="ran out of time"):
        compile_model(stand_in(seconds=3).path, model, EdgeTpuConfig(timeout=1))


def test_strange_output_is_kept_and_harms_nothing(stand_in: Make, model: Path) -> None:
    strange = "::set-output name=x::y\n\xff\xfe not UTF-8\n"
    compiled = compile_model(stand_in(extra_output=strange).path, model, EdgeTpuConfig())
    assert "::set-output" in compiled.output
    assert "\ufffd\ufffd not UTF-8" in compiled.log.read_text()
    assert [finding.id for finding in compiled.findings] == ["CQ152"]


def test_long_output_is_kept_from_its_beginning(stand_in: Make, model: Path) -> None:
    long = "Intermediate tensors: " + "x" * 300_000 + "\n"
    compiled = compile_model(stand_in(extra_output=long).path, model, EdgeTpuConfig())
    assert compiled.log.read_text().startswith("Edge TPU Compiler version")
    assert compiled.log.stat().st_size > 300_000


def test_every_option_reaches_the_compiler(stand_in: Make, model: Path) -> None:
    compiler = stand_in()
    config = EdgeTpuConfig(
        min_runtime_version=13,
        timeout=60,
        multiple_subgraphs=True,
        search_delegate=True,
        delegate_search_step=2,
        intermediate_tensors=["t3"],
    )
    compiled = compile_model(compiler.path, model, config)
    assert compiled.models[0].min_runtime_version == 13
    words = compiler.runs[0]
    for option in (["-m", "13"], ["-i", "t3"], ["-a"], ["-t", "60"], ["-d"], ["-k", "2"], ["-s"]):
        at = words.index(option[0])
        assert words[at : at + len(option)] == option


def test_old_versions_are_not_given_options_that_they_lack(stand_in: Make, model: Path) -> None:
    assert "-t" not in arguments(EdgeTpuConfig(), "15.0.340273435")
    compiler = stand_in(version="14.1.317412892")
    with pytest.raises(CompilerError, match="has no search_delegate"):
        compile_model(compiler.path, model, EdgeTpuConfig(search_delegate=True))


@pytest.mark.parametrize(
    ("config", "key"),
    [({"segments": 2}, "segments"), ({"intermediate_tensors": ["t1"]}, "intermediate_tensors")],
)
def test_segments_and_intermediate_tensors_came_with_2_1(
    stand_in: Make, model: Path, config: dict[str, Any], key: str
) -> None:
    wanted = EdgeTpuConfig(**config)
    for version in ("1.0.249710469", "2.0.291256449"):
        compiler = stand_in(version=version)
        with pytest.raises(CompilerError, match=rf"{version} has no {key}$") as caught:
            compile_model(compiler.path, model, wanted)
        assert caught.value.hint
        assert compiler.runs == []
        assert missing_options(EdgeTpuConfig(), version) == []
    for version in ("2.1.302470888", "14.1.317412892", "16.0.384591198", "16", "2", "unknown"):
        assert missing_options(wanted, version) == []


def test_intermediate_tensors_end_the_edge_tpu_part(stand_in: Make, model: Path) -> None:
    config = EdgeTpuConfig(intermediate_tensors=["t2"])
    compiled = compile_model(stand_in().path, model, config)
    placement = placement_of(read_model(model), compiled)
    assert [o.target for o in placement.operators] == ["edge_tpu"] * 3 + ["cpu"] * 2
    assert [o.rule for o in placement.operators[3:]] == ["CQ109", "CQ108"]
    assert "told to end before it" in placement.operators[3].reason


def test_a_tensor_name_with_a_separator_is_refused_in_the_config() -> None:
    with pytest.raises(ValueError, match="separators"):
        EdgeTpuConfig(intermediate_tensors=["StatefulPartitionedCall:0"])


def test_a_delegate_search_that_fails_first_is_a_success_and_says_so(
    stand_in: Make, model: Path
) -> None:
    compiler = stand_in(fail_on=["t4"])
    compiled = compile_model(compiler.path, model, EdgeTpuConfig(search_delegate=True))
    assert compiled.outcome == "search_or_segment_mixed:large_activation"
    assert [finding.id for finding in compiled.findings] == ["CQ154"]
    placement = placement_of(read_model(model), compiled)
    assert placement.edge_tpu == 4
    assert "told to end before it" in placement.operators[4].reason


def test_segments_are_all_there_in_order(stand_in: Make, model: Path) -> None:
    compiled = compile_model(stand_in().path, model, EdgeTpuConfig(segments=2))
    assert [path.name for path in compiled.paths] == [
        "model_segment_0_of_2_edgetpu.tflite",
        "model_segment_1_of_2_edgetpu.tflite",
    ]
    assert len(compiled.models) == 2
    placement = placement_of(read_model(model), compiled)
    assert (placement.edge_tpu, placement.subgraphs) == (5, 2)


def test_one_failed_segment_fails_the_model(stand_in: Make, model: Path) -> None:
    with pytest.raises(CompilerError, match="too large"):
        compile_model(stand_in(fail_on=["t4"]).path, model, EdgeTpuConfig(segments=2))
    assert list(model.parent.glob("*_segment_*")) == []


def test_a_group_is_compiled_in_one_run_and_shares_a_token(
    stand_in: Make, model: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second.tflite"
    second.write_bytes(chain(["RELU", "ADD"]))
    compiler = stand_in()
    config = EdgeTpuConfig(group="pair")
    pair = compile_group(compiler.path, [model, second], config)
    assert len(compiler.runs) == 1
    assert [c.path.name for c in pair] == ["model_edgetpu.tflite", "second_edgetpu.tflite"]
    assert pair[0].models[0].caching_tokens == pair[1].models[0].caching_tokens
    assert [c.said.operators for c in pair if c.said] == [5, 2]
    assert pair[0].outcome == "full+cocompiled"


def test_a_missing_compiler_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(UsageError) as caught:
        find_compiler(None, {"PATH": "", "HOME": str(tmp_path)})
    assert "compiler install --accept-terms" in caught.value.hint
    assert "none" in caught.value.hint


def test_another_kind_of_machine_gets_the_ways_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(UsageError, match=r"x86-64 Linux only.*aarch64") as caught:
        find_compiler(None, {"PATH": "", "HOME": str(tmp_path)})
    assert "linux/amd64" in caught.value.hint


def test_a_program_of_another_kind_of_machine_is_one_clean_error(
    tmp_path: Path, model: Path
) -> None:
    alien = tmp_path / "alien"
    alien.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(60))
    alien.chmod(0o755)
    with pytest.raises(CompilerError, match="can't be started"):
        compile_model(alien, model, EdgeTpuConfig())


def test_the_token_is_not_in_the_compilers_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Path
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_secret")
    spy = tmp_path / "spy"
    spy.write_text("#!/bin/sh\nenv\n")
    spy.chmod(0o755)
    with pytest.raises(CompilerError) as caught:
        compile_model(spy, model, EdgeTpuConfig())
    assert "PATH=" in caught.value.details
    assert "ghs_secret" not in caught.value.details
    assert os.environ["GITHUB_TOKEN"] == "ghs_secret"


@pytest.mark.parametrize(
    "wrong",
    [
        {"segments": 1},
        {"min_runtime_version": 9},
        {"tries": 0},
        {"segments": 2, "group": "pair"},
        {"segments": 2, "intermediate_tensors": ["t1"]},
        {"delegate_search_step": 0},
        {"unknown": 1},
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        EdgeTpuConfig(**wrong)
