"""coral.yml: every problem at once, each with its line, its key and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from coral_action.config.loader import load_config, parse_config
from coral_action.config.paths import PathRules
from coral_action.config.schema import json_schema
from coral_action.errors import ConfigError

GOOD = """\
version: 1
models:
  - name: digits
    source: saved_model
    calibration: {images: data/calibration}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse_config(text, "coral.yml")
    return raised.value.message.splitlines()


def test_good_config() -> None:
    config = parse_config(GOOD, "coral.yml")
    assert config.models[0].calibration.source == ("images", "data/calibration")


def test_all_problems_at_once() -> None:
    text = GOOD.replace("source:", "sorce:").replace("images:", "imags:") + "extra: 1\n"
    assert problems(text) == [
        "coral.yml:3:5: models[0].source: is required",
        'coral.yml:4:5: models[0].sorce: unknown key; did you mean "source"?',
        'coral.yml:5:19: models[0].calibration.imags: unknown key; did you mean "images"?',
        "coral.yml:6:1: extra: unknown key",
    ]


def test_version_is_required() -> None:
    assert problems(GOOD.replace("version: 1\n", "")) == [
        "coral.yml:1:1: version: is required",
    ]


@pytest.mark.parametrize("text", ["version: 2", "version: '1'", "version: true"])
def test_version_is_exactly_one(text: str) -> None:
    (line,) = problems(GOOD.replace("version: 1", text))
    assert line.startswith("coral.yml:1:1: version:")


def test_nothing_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "token")
    text = GOOD.replace("saved_model", '"${{ secrets.X }}/$SECRET/${SECRET}/~"')
    assert parse_config(text, "c").models[0].source == "${{ secrets.X }}/$SECRET/${SECRET}/~"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [", "coral.yml:1:5: not valid YAML"),
        ("- 1", "coral.yml:1:1: holds no mapping"),
        ("", "coral.yml:1:1: holds no mapping"),
        ("a: &x 1\nb: *x", "coral.yml:2:4: aliases (*x) are not allowed"),
        (GOOD + "version: 1\n", 'coral.yml:6:1: the key "version" is there twice'),
        (GOOD + "x: !!python/object:os.system {}\n", "coral.yml:6:4: tags ("),
        ("version: \x00", "coral.yml:1:1: not valid YAML"),
        ("[" * 5000 + "]" * 5000, "coral.yml:1:51: nested more than 50 deep"),
    ],
)
def test_text_that_is_no_config(text: str, line: str) -> None:
    assert any(problem.startswith(line) for problem in problems(text))


def test_python_tags_run_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    problems(GOOD + f'x: !!python/object/apply:os.system ["touch {marker}"]\n')
    assert not marker.exists()


@pytest.mark.parametrize(
    ("written", "size"), [("4 MiB", 4 * 2**20), ("500 kB", 500_000), ("1.5KiB", 1536), ("77", 77)]
)
def test_sizes(written: str, size: int) -> None:
    config = parse_config(GOOD + f"    limits: {{int8_size: {written}}}\n", "c")
    assert config.models[0].limits.int8_size == size


def test_accuracy_limit_needs_an_evaluation() -> None:
    (line,) = problems(GOOD + "    limits: {accuracy_drop: 1}\n")
    assert "accuracy_drop needs an `evaluation`" in line


@pytest.mark.parametrize("value", ["-1.0e+300", "-1.0e+38", "-.inf", ".nan"])
def test_a_range_that_no_activation_has(value: str) -> None:
    (line,) = problems(GOOD + f"    ranges:\n      x: [{value}, 1]\n")
    assert line.startswith("coral.yml:7:")
    assert "models[0].ranges.x" in line


def test_two_models_of_one_name() -> None:
    second = GOOD.split("models:\n")[1].replace("digits", "Digits")
    (line,) = problems(GOOD + second)
    assert 'two models are named "Digits"' in line


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "a b", "x" * 101])
def test_names_that_are_no_file_names(name: str) -> None:
    (line,) = problems(GOOD.replace("name: digits", f"name: {json.dumps(name)}"))
    assert line.startswith("coral.yml:3:5: models[0].name:")


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: No such file"):
        load_config(tmp_path / "coral.yml")


def test_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "coral.yml").write_bytes(b"version: \xff")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load_config(tmp_path / "coral.yml")


def test_schema_describes_every_key() -> None:
    def undescribed(node: object, path: str) -> list[str]:
        if not isinstance(node, dict):
            return []
        return [
            f"{path}.{name}"
            for name, value in node.get("properties", {}).items()
            if "description" not in value and "$ref" not in json.dumps(value)
        ]

    schema = json_schema()
    missing = undescribed(schema, "Config")
    for name, part in schema["$defs"].items():
        missing += undescribed(part, name)
    assert missing == []


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "link", ".git/config", "a/../../x"])
def test_paths_stay_inside_the_workspace(tmp_path: Path, path: str) -> None:
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "link").symlink_to("/etc")
    with pytest.raises(ConfigError, match="outside of the workspace"):
        PathRules(root, root).resolve(path)


def test_paths_inside_are_relative_to_the_config(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert PathRules(tmp_path / "sub", tmp_path).resolve("../a") == tmp_path.resolve() / "a"


def test_published_schema_is_current() -> None:
    """Editors read this file; `coral-quantize schema > docs/coral.schema.json` writes it."""
    published = Path(__file__).parents[2] / "docs" / "coral.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == json_schema()
