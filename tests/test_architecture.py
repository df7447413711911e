"""The shape of the program: imports point downward, and the parent never imports TensorFlow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from harness import PROJECT

PACKAGE = PROJECT / "coral_action"

# Lower layers first; a module may import from its own layer's list entry and those before it.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"counts", "findings"}),
    frozenset({"errors"}),
    frozenset({"children", "repositories", "scratch"}),
    frozenset({"output_files", "sandbox"}),
    frozenset({"watching"}),
    frozenset({"endings"}),
    frozenset(
        {
            "admission",
            "cache",
            "cache_origin",
            "child",
            "config",
            "converter_api",
            "download",
            "git_folder",
            "inference",
            "interruption",
            "isolation",
            "output_folder",
            "ownership",
            "progress",
            "provenance",
            "tflite",
            "tflite_bounds",
            "workers",
        }
    ),
    frozenset({"file_index"}),
    frozenset({"loading", "data"}),
    frozenset({"starter"}),
    frozenset({"quantization", "edgetpu", "evaluation", "metadata"}),
    frozenset({"stage_keys"}),
    frozenset({"kept_stages"}),
    frozenset({"report", "finishing"}),
    frozenset({"sharding"}),
    frozenset({"model_run"}),
    frozenset({"pipeline", "github", "scale"}),
    frozenset({"console", "echo", "version_text"}),
    frozenset({"commands", "action"}),
    frozenset({"cli"}),
)
STAGES = ("loading", "data", "quantization", "edgetpu", "evaluation")
WITH_PUBLIC_NAMES = (*STAGES, "metadata")


def imports(path: Path) -> set[str]:
    """The modules of this package that a file imports, at any place in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if name.startswith("coral_action.")}


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PROJECT).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def top(module: str) -> str:
    """The part of the package that a module belongs to: `loading` for coral_action.loading.x."""
    return module.split(".")[1]


def level(module: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if top(module) in names)


def test_imports_point_downward() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module, path in modules().items()
        if top(module) not in ("__init__", "__main__")
        for imported in imports(path)
        if top(imported) != "__version__"
        if top(imported) != top(module) and level(imported) >= level(module)
    ]
    # Two parts of one layer may not know each other either, but for what is listed here.
    allowed = {"isolation", "config", "tflite", "errors", "findings", "inference"}
    allowed |= {"git_folder", "tflite_bounds"}
    assert [w for w in wrong if top(w.split(" imports ")[1]) not in allowed] == []


def test_stages_use_each_other_by_their_public_names() -> None:
    wrong = []
    for module, path in modules().items():
        if top(module) not in WITH_PUBLIC_NAMES:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                parts = node.module.split(".")
                if len(parts) > 2 and parts[1] in WITH_PUBLIC_NAMES and parts[1] != top(module):
                    wrong.append(f"{module} imports {node.module}")
    assert wrong == []


def test_pipeline_never_sees_github_and_github_never_sees_the_stages() -> None:
    for module, path in modules().items():
        seen = {top(name) for name in imports(path)}
        if top(module) == "pipeline":
            assert "github" not in seen
        if top(module) == "github":
            assert not seen & {*STAGES, "pipeline"}, module


def test_parent_imports_no_tensorflow() -> None:
    names = [name.removesuffix(".__init__") for name in modules() if "__main__" not in name]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "heavy = {'tensorflow', 'keras', 'tf_keras', 'ai_edge_litert'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr


def test_files_stay_small() -> None:
    long = {
        name: lines
        for name, path in modules().items()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}


def parts() -> set[str]:
    """The top-level modules and packages."""
    return {top(module) for module in modules()} - {"__init__", "__main__"}


def test_the_architecture_page_is_true() -> None:
    """Each file and folder that it names is there, and each part of the package is named."""
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?) \| (.+) \|$", page, re.MULTILINE)
    named: set[str] = set()
    for cells, text in rows:
        tops = re.findall(r"`([\w/.]+)`", cells)
        named |= {top.rstrip("/").removesuffix(".py") for top in tops}
        for name in (*tops, *re.findall(r"`([\w.]+(?:/|\.py))`", text)):
            places = [PACKAGE / name, *(PACKAGE / top / name for top in tops)]
            assert any(place.exists() for place in places), f"{name}, said of {cells}, is not there"
    assert named == parts()


def test_the_picture_names_real_parts() -> None:
    picture = (PROJECT / "docs" / "images" / "architecture.svg").read_text(encoding="utf-8")
    shown = {
        word
        for name in re.findall(r'class="n"[^>]*>([^<]+)<', picture)
        for word in name.split(", ")
    }
    shown -= {"report renderers"}
    assert shown <= parts()
    assert {"loading", "data", "quantization", "edgetpu", "evaluation"} <= shown
