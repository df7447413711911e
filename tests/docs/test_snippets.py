"""Every code block of README.md and docs/ is executed or validated, or says why it can't be."""

from __future__ import annotations

import ast
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import shell_lines
import yaml
import yaml_blocks
from harness import PROJECT
from pages import Block, blocks, inline_code, of

from coral_action.config.loader import parse_config

LANGUAGES = {"json", "python", "sh", "text", "yaml"}
README = PROJECT / "README.md"


def test_every_block_has_a_known_language() -> None:
    unknown = [
        f"{block}: {block.language!r}" for block in blocks() if block.language not in LANGUAGES
    ]
    assert unknown == []
    assert len(blocks()) > 50


def test_markers_give_a_reason_or_a_test() -> None:
    for block in blocks():
        if block.marker == "executed by":
            text = (PROJECT / block.why).read_text(encoding="utf-8")
            assert block.page.name in text, f"{block}: {block.why} does not read this page"
        elif block.marker:
            assert len(block.why.split()) > 1, f"{block}: no reason"


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python(block: Block) -> None:
    """Compiles; and a test runs it, or a comment says why none can."""
    ast.parse(block.text, str(block))
    assert block.marker in ("executed by", "not executed:"), block


@pytest.mark.parametrize("block", of("sh"), ids=str)
def test_shell(block: Block) -> None:
    if block.marker == "not tested:":
        return
    commands = list(shell_lines.lines(block.text))
    assert commands
    for words in commands:
        shell_lines.check(words)


def test_commands_in_running_text() -> None:
    seen = 0
    for page, code in inline_code():
        words = code.split()
        if words[:1] == ["coral-quantize"] and len(words) > 1:
            try:
                shell_lines.check_mentioned(shlex.split(code)[1:])
            except AssertionError as error:
                raise AssertionError(f"{page.name}: `{code}`: {error}") from error
            seen += 1
    assert seen > 10


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_yaml(block: Block) -> None:
    """Parts of coral.yml go through the real loader; everything else is known or marked."""
    data = yaml_blocks.parsed(block.text)
    if block.marker == "not tested:":
        return
    kind = yaml_blocks.kind_of(data)
    assert kind, f"{block}: neither coral.yml nor a workflow"
    if kind == "config":
        parse_config(yaml_blocks.whole_config(data), str(block))


@pytest.mark.parametrize("kind", ["workflow", "gitlab"])
def test_workflows_hold_against_their_schema(kind: str, tmp_path: Path) -> None:
    files = []
    for number, block in enumerate(of("yaml")):
        data = yaml_blocks.parsed(block.text)
        if yaml_blocks.kind_of(data) == kind and block.marker != "not tested:":
            whole = yaml_blocks.whole_workflow(data) if kind == "workflow" else data
            files.append(tmp_path / f"{block.page.stem}-{block.line}-{number}.yml")
            files[-1].write_text(yaml.safe_dump(whole, sort_keys=False))
    assert files
    schema = {"workflow": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}[kind]
    run("check-jsonschema", "--builtin-schema", schema, *files)
    if kind == "workflow":
        run("actionlint", *files)


def run(program: str, *words: object) -> None:
    """A program of the development environment, which has to be content."""
    path = Path(sys.executable).parent / program
    done = subprocess.run([path, *map(str, words)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_steps_use_the_action_as_it_is() -> None:
    """Inputs exist; what the image is told to do, the command line understands."""
    uses = 0
    for block in of("yaml"):
        data = yaml_blocks.parsed(block.text)
        if yaml_blocks.kind_of(data) != "workflow":
            continue
        for step in yaml_blocks.steps(yaml_blocks.whole_workflow(data)):
            given = step.get("with", {})
            if step.get("uses", "").startswith("org/coral-quantize@"):
                assert set(given) <= set(yaml_blocks.ACTION["inputs"]), block
                uses += 1
            if step.get("uses", "").startswith("docker://ghcr.io/org/coral-quantize"):
                shell_lines.check_cli(shlex.split(given["args"]))
                uses += 1
    assert uses >= 4


def test_reusable_workflows_are_called_as_they_are() -> None:
    ours = "org/coral-quantize/"
    for block in of("yaml"):
        data = yaml_blocks.parsed(block.text)
        if yaml_blocks.kind_of(data) != "workflow":
            continue
        for job in yaml_blocks.whole_workflow(data)["jobs"].values():
            if job.get("uses", "").startswith(ours):
                path = job["uses"].removeprefix(ours).partition("@")[0]
                called = yaml_blocks.parsed((PROJECT / path).read_text(encoding="utf-8"))
                inputs = called["on"]["workflow_call"].get("inputs", {})
                assert set(job.get("with", {})) <= set(inputs), block


def test_gitlab_runs_real_commands() -> None:
    for block in of("yaml"):
        data = yaml_blocks.parsed(block.text)
        if yaml_blocks.kind_of(data) == "gitlab":
            for job in data.values():
                entry = job["variables"]["CORAL"]
                dockerfile = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
                assert all(f'"{word}"' in dockerfile for word in entry.split())
                for line in (*job["script"], *job["after_script"]):
                    shell_lines.check_cli(shlex.split(line.removeprefix("$CORAL ")))


def test_json() -> None:
    for block in of("json"):
        json.loads(block.text)


def test_first_screen_is_short() -> None:
    """The workflow has at most 15 lines, coral.yml at most 8; permissions are said."""
    workflow, config = [block for block in of("yaml") if block.page == README][:2]
    assert len(workflow.text.splitlines()) <= 15
    assert yaml_blocks.parsed(workflow.text)["permissions"]["pull-requests"] == "write"
    assert len(config.text.splitlines()) <= 8
    assert yaml_blocks.parsed(config.text)["version"] == 1
