"""docs/troubleshooting.md: errors lead to a section that quotes their message as it is."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator

import pytest
from harness import PROJECT
from pages import anchors, of, tokens

from coral_action.console import describe
from coral_action.edgetpu.failures import FAILURES, NOTHING_SAID, TIMED_OUT, UNREADABLE, ZERO_MAPPED
from coral_action.errors import ModelError, error_classes, troubleshooting
from coral_action.github.api import ApiError
from coral_action.github.faults import Reason
from coral_action.report import markdown, sarif
from coral_action.report.model import Report

PAGE = PROJECT / "docs" / "troubleshooting.md"
KINDS = {f"{kind}-errors" for kind in error_classes()}
# Messages that are put together from variables, and so can't be read off the source.
COMPOSED = {
    "missing-permission",
    "wrong-token",
    "rate-limit",
    "not-a-known-model",
    "git-lfs-pointer",
}


def raised() -> Iterator[tuple[str, str]]:
    """(topic, pattern of the message) of every error in the source that names a topic."""
    for path in (PROJECT / "coral_action").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                for keyword in node.keywords:
                    if keyword.arg == "topic" and isinstance(keyword.value, ast.Constant):
                        yield keyword.value.value, pattern(node.args[0])


def pattern(message: ast.expr) -> str:
    """An f-string as a regular expression; what is filled in may be anything."""
    if isinstance(message, ast.JoinedStr):
        return "".join(pattern(part) for part in message.values)
    if isinstance(message, ast.Constant):
        return re.escape(str(message.value))
    return ".+"


def quoted() -> dict[str, list[str]]:
    """The lines of the text blocks below each heading, by its anchor."""
    found: dict[str, list[str]] = {}
    names = iter(anchors(PAGE))
    name = ""
    for token in tokens(PAGE):
        if token.type == "heading_open":
            name = next(names)
        elif token.type == "fence" and token.info == "text":
            found[name] = token.content.splitlines()
    return found


def test_every_topic_has_its_section_and_every_section_a_topic() -> None:
    topics = {topic for topic, _ in raised()}
    github = {ApiError("x", reason).topic for reason in Reason}
    assert len(topics) > 25
    sections = set(anchors(PAGE)) - {"troubleshooting"}
    assert topics | github | KINDS | {"git-lfs-pointer", "not-a-known-model"} == sections
    assert len(anchors(PAGE)) == len(set(anchors(PAGE)))


def test_messages_are_quoted_as_they_are() -> None:
    """Each line on the page is a message of the source, and each message has its line."""
    lines = quoted()
    patterns: dict[str, set[str]] = {}
    for topic, message in raised():
        patterns.setdefault(topic, set()).add(message)
    for topic, known in patterns.items():
        if topic in COMPOSED:
            continue
        for message in known:
            assert any(re.fullmatch(message, line) for line in lines[topic]), (topic, message)
        for line in lines[topic]:
            assert any(re.fullmatch(message, line) for message in known), (topic, line)


def test_foreign_files_are_quoted_as_they_are() -> None:
    from coral_action.loading import foreign

    kinds = {kind.topic: set() for kind in foreign._KNOWN}
    for kind in foreign._KNOWN:
        kinds[kind.topic].add(kind.what)
    lines = quoted()
    assert lines["git-lfs-pointer"] == [f"PATH: {what}" for what in kinds["git-lfs-pointer"]]
    assert "PATH: a PyTorch file" in lines["not-a-known-model"]
    assert "a PyTorch file" in kinds["not-a-known-model"]


def test_compiler_failures_are_listed() -> None:
    text = PAGE.read_text(encoding="utf-8")
    (table,) = re.findall(
        r"<!-- compiler failures -->\n(.*?)\n?<!-- /compiler failures -->", text, re.DOTALL
    )
    known = (*FAILURES, TIMED_OUT, ZERO_MAPPED, UNREADABLE, NOTHING_SAID)
    rows = [f"| {f.message} | {f.causes} | {f.fix} |" for f in known]
    head = ["| `edgetpu_compiler failed:` | Known causes | What helped |", "|---|---|---|"]
    wanted = "\n".join([*head, *rows])
    assert table == wanted, f"write between the comments:\n{wanted}"


def test_an_error_says_where_there_is_more() -> None:
    error = ModelError("model.pb: an empty file", hint="fetch it", topic="damaged-file")
    assert describe(error, debug=False).splitlines() == [
        "error: model.pb: an empty file",
        "  fetch it",
        f"  see {troubleshooting('damaged-file')}",
    ]
    assert troubleshooting(ModelError("anything").topic).endswith("#model-errors")


def failed(topic: str) -> Report:
    error = {"kind": "model", "message": "broken", "topic": topic}
    return Report.from_data(
        {
            "schema_version": 1,
            "tool": {},
            "models": [{"name": "m", "status": "failed", "error": error, "source": {"path": "m"}}],
        }
    )


def test_the_report_links_it() -> None:
    text = markdown.render(failed("damaged-file"))
    assert f"[Troubleshooting]({troubleshooting('damaged-file')})" in text
    assert "Troubleshooting" not in markdown.render(failed(""))


def test_code_scanning_links_it() -> None:
    log = json.loads(sarif.render(failed("damaged-file")))
    (rule,) = log["runs"][0]["tool"]["driver"]["rules"]
    assert rule["helpUri"] == troubleshooting("model-errors")


@pytest.mark.parametrize("topic", ["x) [y](https://evil.example", "<b>", "a" * 61, "A"])
def test_a_foreign_report_can_link_nothing_else(topic: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        failed(topic)


def test_sections_quote_a_message() -> None:
    """So that a search for the message finds the section."""
    lines = quoted()
    assert [name for name in anchors(PAGE)[1:] if name not in KINDS and name not in lines] == []
    assert of("text")
