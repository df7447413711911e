"""Command lines of the documents, held against what they start: options, targets, files, extras."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator

import click
import pytest
from harness import PROJECT

from coral_action.cli import COMMANDS, cli

_IMAGES = re.compile(r"(IMAGE|coral-quantize(:[\w.-]+)?|ghcr\.io/org/coral-quantize(:[\w.]+)?)$")
# Options of docker run that take a value; all others in the documents are flags.
_DOCKER_VALUES = {"-v", "--volume", "--workdir", "-w", "--entrypoint", "--network", "--user"}


def lines(text: str) -> Iterator[list[str]]:
    """The commands of a shell block, as words; redirections and comments are left out."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words:
            ends = [at for at, word in enumerate(words) if word in ("&&", "|", ";")]
            command, words = (
                words[: ends[0]] if ends else words,
                words[ends[0] + 1 :] if ends else [],
            )
            redirected = [at for at, word in enumerate(command) if word in (">", ">>", "<")]
            if command:
                yield command[: redirected[0]] if redirected else command


def check(words: list[str]) -> None:
    """Fail if the command can't be right."""
    assert words[0] in _CHECKS, f"no test knows {words[0]}: mark the block, or teach {__name__}"
    _CHECKS[words[0]](words[1:])


def check_cli(words: list[str]) -> None:
    """`coral-quantize WORDS`: parsed by the real commands, with files taken for given."""
    rest = [word for word in words if word != "--debug"]
    if rest == ["--version"]:
        return
    command: click.Command = cli
    while isinstance(command, click.Group):
        name, *rest = rest
        found = command.get_command(click.Context(command), name)
        assert found is not None, name
        command = found
    if "--help" in rest:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(click.Path, "convert", lambda self, value, param, ctx: value)
        command.make_context(command.name, rest)


def check_mentioned(words: list[str]) -> None:
    """`coral-quantize WORDS` in running text: the command and its options exist."""
    if words[0] not in COMMANDS:
        assert words[0].startswith("-") or words[0].isupper(), words[0]
        return
    command = cli.get_command(click.Context(cli), words[0])
    assert command is not None
    if isinstance(command, click.Group) and len(words) > 1:
        command = command.get_command(click.Context(command), words[1])
        assert command is not None, words[1]
    known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    wanted = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert wanted <= known | {"--help", "--debug"}, words


def _make(words: list[str]) -> None:
    text = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for target in (word for word in words if "=" not in word):
        assert re.search(rf"^{target}:", text, re.MULTILINE), target


def _python(words: list[str]) -> None:
    if words[0] == "-m":
        assert importlib.util.find_spec(words[1]) is not None, words[1]
    else:
        assert (PROJECT / words[0]).is_file(), words[0]


def _pip(words: list[str]) -> None:
    assert words[0] == "install"
    for word in words[1:]:
        extras = re.fullmatch(r"coral-quantize\[([\w,-]+)\]", word)
        if extras:
            project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
            assert set(extras[1].split(",")) <= set(project["project"]["optional-dependencies"])
        else:
            assert word.startswith("git+https://github.com/org/coral-quantize@v"), word


def _docker(words: list[str]) -> None:
    if words[0] == "build":
        target = words[words.index("--target") + 1] if "--target" in words else "bundled"
        assert f" AS {target}\n" in (PROJECT / "Dockerfile").read_text(encoding="utf-8")
        return
    assert words[0] == "run"
    rest = iter(words[1:])
    for word in rest:
        if word in _DOCKER_VALUES:
            next(rest)
        elif not word.startswith("-"):
            assert _IMAGES.match(word), word
            break
    if arguments := list(rest):
        check_cli(arguments)


def _npm(words: list[str]) -> None:
    folder = PROJECT / words[words.index("--prefix") + 1]
    assert (folder / "package-lock.json").is_file(), folder


_CHECKS: dict[str, Callable[[list[str]], None]] = {
    "coral-quantize": check_cli,
    "docker": _docker,
    "make": _make,
    "npm": _npm,
    "pip": _pip,
    "python": _python,
}
