"""Globs over a stranger's folders end, and find what Python's own glob finds without links."""

from __future__ import annotations

import glob
import subprocess
import sys
from pathlib import Path

import pytest
from harness import PROJECT

from coral_action.config.paths import PathRules
from coral_action.data import files
from coral_action.data.files import find_files
from coral_action.data.globbing import find_matches
from coral_action.errors import DataError

PNG = frozenset({".png"})
FILES = [
    "1.png",
    "a/2.png",
    "a/b/3.png",
    "a/b/.hidden/4.png",
    "a/b/.5.png",
    ".h/6.png",
    "a b/7.PNG",
    "a/a/a/8.png",
    "[x]/9.png",
    "a/x.txt",
    "folder.png/10.png",
]
PATTERNS = [
    "*.png",
    "**/*.png",
    "**",
    "*/*",
    "*/*.png",
    "**/a/*.png",
    "**/a/**/*.png",
    "**/**/**/*.png",
    "a/**",
    "a/b/**/*.png",
    ".h/*.png",
    ".*/*.png",
    "**/.*",
    "**/.hidden/*.png",
    "[[]x]/*",
    "a?b/*",
    "[ab]/*.p[a-n]g",
    "**/x**/*",
    "*/b/3.png",
    "no/*",
    "**/b",
]

FIND = """
import sys
from pathlib import Path
from coral_action.config.paths import PathRules
from coral_action.data.files import find_files
root = Path(sys.argv[1])
print(find_files(sys.argv[2], frozenset({".png"}), PathRules(root, root), "images").paths)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).touch()
    return tmp_path


@pytest.mark.parametrize("pattern", PATTERNS)
def test_it_finds_what_pythons_glob_finds(tree: Path, pattern: str) -> None:
    base = tree / "data"
    found = list(find_matches(base, pattern.split("/")))
    theirs = glob.glob(pattern, root_dir=base, recursive=True)  # noqa: PTH207
    # It names the folder before a last `**` as well.
    assert sorted(found) == sorted({path for path in theirs if path and path[-1] != "/"})


@pytest.mark.parametrize(
    "pattern",
    [
        "data/**/*.png",
        "data/" + "*/" * 40 + "*.png",
        "data/" + "**/a/" * 40 + "*.png",
        "**/" * 60 + "*",
    ],
)
def test_links_in_a_circle_and_repeated_stars_end(tree: Path, pattern: str) -> None:
    for name in ("l1", "l2", "a/l3"):
        (tree / "data" / name).symlink_to(".")
    (tree / "data" / "a" / "up").symlink_to("..")
    words = [sys.executable, "-c", FIND, str(tree), pattern]
    finished = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=20)
    assert "l1" not in finished.stdout
    if pattern in ("data/**/*.png", "**/" * 60 + "*"):
        assert finished.stdout.count("b/3.png") == 1, finished.stderr
    else:
        assert "no images found" in finished.stderr


def test_links_to_files_are_found_and_files_are_counted(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "data" / "link.png").symlink_to("1.png")
    rules = PathRules(tree, tree)
    assert find_files("data/*.png", PNG, rules, "images").paths == [
        "1.png",
        "folder.png",
        "link.png",
    ]
    monkeypatch.setattr(files, "_MAX_LISTED", 2)
    with pytest.raises(DataError, match="more than 2 files"):
        find_files("data/*.png", PNG, rules, "images")
