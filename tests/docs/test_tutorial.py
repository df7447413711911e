"""docs/tutorial.md, walked from the frozen graph to the board; the function of docs/accuracy.md."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import shell_lines
from ai_edge_litert import interpreter as litert
from harness import PROJECT, Command
from pages import Block, blocks, of

PAGE = PROJECT / "docs" / "tutorial.md"
ACCURACY = PROJECT / "docs" / "accuracy.md"


def block(language: str, word: str, page: Path = PAGE) -> Block:
    """The one block of a language on a page that holds a word."""
    (found,) = [b for b in of(language) if b.page == page and word in b.text]
    return found


@pytest.fixture(scope="module")
def folder(digits: Path, command: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a reader who did all that the page says up to compilation."""
    folder = tmp_path_factory.mktemp("tutorial")
    for name in ("frozen.pb", "labels.txt"):
        shutil.copy(digits / name, folder)
    shutil.copytree(digits / "data", folder / "data")
    (folder / "coral.yml").write_text(block("yaml", "frozen.pb").text)
    for words in commands("coral-quantize preview", "--compiler none", "coral-quantize check"):
        done = command(*words[1:], cwd=folder)
        assert done.code == 0, done.stderr
    return folder


def commands(*parts: str) -> list[list[str]]:
    """The commands of the page's blocks that hold the parts, in the page's order."""
    found = [b for b in blocks() if b.page == PAGE and b.language == "sh"]
    chosen = [b for b in found if any(part in b.text for part in parts)]
    assert len(chosen) == len(parts)
    return [words for b in chosen for words in shell_lines.lines(b.text)]


def test_names_are_found_as_the_page_says(digits: Path) -> None:
    script = block("python", "GraphDef.FromString").text
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=digits, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == block("text", "input image").text, done.stderr


def test_model_is_made(folder: Path) -> None:
    assert (folder / "digits_preview.png").is_file()
    assert (folder / "coral-output" / "digits_int8.tflite").is_file()
    assert (folder / "coral-output" / "report.html").is_file()


class OnThisMachine(litert.Interpreter):
    """The interpreter of a board without its chip: runs the model before compilation."""

    def __init__(self, path: str, experimental_delegates: Any = None) -> None:
        assert path == "digits_int8_edgetpu.tflite"
        super().__init__("coral-output/digits_int8.tflite")


def pycoral() -> dict[str, ModuleType]:
    """The part of pycoral 2.0 that the page uses, after its reference."""
    modules = {
        name: ModuleType(name)
        for name in (
            "pycoral", "pycoral.adapters", "pycoral.adapters.classify",
            "pycoral.adapters.common", "pycoral.utils", "pycoral.utils.edgetpu",
        )
    }  # fmt: skip
    common, classify = modules["pycoral.adapters.common"], modules["pycoral.adapters.classify"]

    def input_details(interpreter: Any, key: str) -> Any:
        return interpreter.get_input_details()[0][key]

    def set_input(interpreter: Any, data: Any) -> None:
        index = interpreter.get_input_details()[0]["index"]
        interpreter.tensor(index)()[0][:, :] = data

    def input_size(interpreter: Any) -> tuple[int, int]:
        _, height, width, _ = input_details(interpreter, "shape")
        return int(width), int(height)

    class Class:
        def __init__(self, id: int, score: float) -> None:  # noqa: A002
            self.id, self.score = id, score

    def get_classes(interpreter: Any, top_k: int) -> list[Class]:
        details = interpreter.get_output_details()[0]
        scale, zero_point = details["quantization"]
        stored = interpreter.tensor(details["index"])().flatten().astype(np.int64)
        scores = scale * (stored - zero_point)
        return [Class(int(i), float(scores[i])) for i in np.argsort(-scores)[:top_k]]

    common.input_details, common.set_input = input_details, set_input  # type: ignore[attr-defined]
    common.input_size = input_size  # type: ignore[attr-defined]
    classify.get_classes = get_classes  # type: ignore[attr-defined]
    modules["pycoral.utils.edgetpu"].make_interpreter = OnThisMachine  # type: ignore[attr-defined]
    adapters = modules["pycoral.adapters"]
    adapters.common, adapters.classify = common, classify  # type: ignore[attr-defined]
    return modules


@pytest.mark.parametrize("library", ["pycoral", "ai_edge_litert"])
@pytest.mark.parametrize("digit", ["3", "7"])
def test_code_for_the_board(
    folder: Path,
    library: str,
    digit: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image = min((folder / "data" / "test" / digit).iterdir())
    shutil.copy(image, folder / "digit.png")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(litert, "Interpreter", OnThisMachine)
    monkeypatch.setattr(litert, "load_delegate", lambda name: name)
    for name, module in pycoral().items():
        monkeypatch.setitem(sys.modules, name, module)
    source = block("python", f"{library}.{'adapters' if library == 'pycoral' else 'interpreter'}")
    exec(compile(source.text, str(source), "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    label, percent = re.fullmatch(r"(\d): ([\d.]+)%", lines[0]).groups()  # type: ignore[union-attr]
    assert label == digit  # the folder of the image is its class
    assert float(percent) > 50


def test_function_of_the_accuracy_page() -> None:
    space: dict[str, Any] = {}
    exec(block("python", "def margin", ACCURACY).text, space)
    assert space["margin"]({"scores": np.array([[0.1, 0.7, 0.2]])}, 1) == pytest.approx(0.5)
