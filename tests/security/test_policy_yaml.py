"""Attacks by coral.yml itself: nothing runs, nothing grows, nothing hangs, and it is said why.

All of them go through the real loader in one child process with little memory and an alarm clock,
so that a defence that fails shows as a failed test and not as a machine that stands still.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness import PROJECT

from coral_action.config.loader import load_config
from coral_action.errors import ConfigError

GOOD = """\
version: 1
models:
  - name: digits
    source: saved_model
    calibration: {images: data/calibration}
"""
LIMITS = GOOD + "    limits: {int8_size: %s}\n"
LAUGHS = "a: &a [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
ATTACKS: dict[str, tuple[str, str]] = {
    "billion laughs": (LAUGHS, "aliases (*a) are not allowed"),
    "merge keys": ("a: &a {b: 1}\nc:\n  <<: *a\n", "aliases (*a) are not allowed"),
    "merge without alias": (GOOD + "<<: {version: 1}\n", "<<: unknown key"),
    "alias to itself": ("a: &a [*a]\n", "aliases (*a) are not allowed"),
    "deep flow": ("[" * 100_000, "nested more than 50 deep"),
    "deep mapping": ("{a: " * 60_000, "nested more than 50 deep"),
    "deep block": ("\n".join("  " * n + "a:" for n in range(300)), "nested more than 50 deep"),
    "deep keys": ("? " * 100_000, "nested more than 50 deep"),
    "too large": ("#" * 250_001, "larger than 250,000 characters"),
    "huge integer": (GOOD + "x: " + "9" * 200_000, "longer than 100 characters"),
    "huge binary": (GOOD + "x: 0b" + "1" * 200_000, "longer than 100 characters"),
    "huge base 60": (GOOD + "x: 1" + ":59" * 60_000, "longer than 100 characters"),
    "huge base 60 float": (GOOD + "x: 1" + ":59" * 60_000 + ".5", "longer than 100 characters"),
    "version of many digits": ("version: " + "1" * 5_000 + "\n", "longer than 100 characters"),
    "blanks in a size": (LIMITS % json.dumps("1" + " " * 200_000 + "!"), "a size is a number"),
    "size beyond all floats": (LIMITS % ("9" * 400), "longer than 100 characters"),
    "size beyond all floats, quoted": (LIMITS % f"'{'9' * 400} MiB'", "a size is a number"),
    "python object": ("!!python/object/apply:os.system ['touch ran']", "tags ("),
    "python name": ("version: !!python/name:os.system ''", "tags ("),
    "python module": (GOOD.replace("saved_model", "!!python/module:antigravity x"), "tags ("),
    "tag on a known key": (GOOD.replace("models:", "models: !!set"), "tags ("),
    "local tag": (GOOD.replace("saved_model", "!x saved_model"), "tags ("),
    "binary": (GOOD.replace("saved_model", "!!binary AAAA"), "tags ("),
    "tag directive": ("%TAG ! tag:yaml.org,2002:python/\n---\n!object:x {}", "tags ("),
    "duplicate keys": (GOOD + "version: 1\n", 'the key "version" is there twice'),
    "duplicate, deep": (GOOD.replace("name: digits", "name: a\n    name: b"), "is there twice"),
    "key that is a list": (GOOD + "? [a]\n: 1\n", "a key must be plain text"),
    "many unknown keys": (GOOD + "".join(f"x{n}: 1\n" for n in range(8_000)), "unknown key"),
    "many duplicates": (GOOD + "x: 1\n" * 30_000, "is there twice"),
    "many aliases": ("a: &a 1\nb: [" + "*a," * 60_000 + "]", "aliases (*a)"),
    "long key": (GOOD + f'? "{"k" * 200_000}"\n: 1\n', "unknown key"),
    "two documents": (GOOD + "---\n" + GOOD, "not valid YAML"),
    "surrogate": (GOOD.replace("saved_model", '"\\ud800"'), "half a character"),
    "NUL": ("version: \x00", "not valid YAML"),
    "date": (GOOD.replace("saved_model", "2026-11-23"), "must be text"),
    "bad date": (GOOD.replace("saved_model", "2026-99-99"), "month must be in 1..12"),
    "infinity": (LIMITS % ".inf", "int8_size"),
}
CHILD = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (768 * 2**20,) * 2)
from coral_action.config.loader import parse_config
from coral_action.errors import ConfigError
for name, text in json.load(sys.stdin).items():
    try:
        parse_config(text, "coral.yml")
        said = "fine"
    except ConfigError as error:
        said = error.message
    print(json.dumps([name, said]), flush=True)
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("attacks")
    texts = {name: text for name, (text, _) in ATTACKS.items()} | {"good": GOOD}
    try:
        finished = subprocess.run(
            [sys.executable, "-c", CHILD],
            input=json.dumps(texts),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        said, trouble = finished.stdout, finished.stderr
    except subprocess.TimeoutExpired as hung:
        said, trouble = (hung.stdout or b"").decode(), "it hangs"
    assert not (folder / "ran").exists()
    found = dict(json.loads(line) for line in said.splitlines())
    return {name: found.get(name, f"no answer: {trouble[-500:]}") for name in texts}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_is_refused_and_said(attack: str, answers: dict[str, str]) -> None:
    assert ATTACKS[attack][1] in answers[attack]
    assert len(answers[attack]) < 50_000


def test_a_good_one_passes_among_them(answers: dict[str, str]) -> None:
    assert answers["good"] == "fine"


def test_many_problems_are_counted(answers: dict[str, str]) -> None:
    assert len(answers["many duplicates"].splitlines()) <= 51


@pytest.mark.parametrize("kind", ["sparse", "fifo", "device", "folder"])
def test_what_is_no_file_of_that_size(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "coral.yml"
    if kind == "sparse":
        with path.open("wb") as file:
            file.truncate(10 * 2**30)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(ConfigError, match=r"larger than|not a regular file|Is a directory"):
        load_config(path)
