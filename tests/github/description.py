"""GitHub's own description of its interface, trimmed to some operations, and served by Prism."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent / "openapi"
MODULES = FOLDER / "node_modules"
PREFIX = "/repos/{owner}/{repo}"
Json = dict[str, Any]


def need(package: str) -> Path:
    """The folder of an npm package, or a skipped test that says how to get it."""
    folder = MODULES / package
    if shutil.which("node") is None or not folder.is_dir():
        pytest.skip("GitHub's description is not here: `npm ci` in tests/github/openapi (Node 20+)")
    return folder


def trimmed(operations: list[tuple[str, str]]) -> Json:
    """The description of these operations, (method, path below the repository), and nothing else.

    Fields that a request body does not name are refused, which the description itself leaves open.
    """
    path = need("@octokit/openapi") / "generated" / "api.github.com.json"
    whole: Json = json.loads(path.read_bytes())
    paths: Json = {}
    for method, template in operations:
        operation = whole["paths"][PREFIX + template][method.lower()]
        operation.pop("servers", None)  # uploads have a server of their own
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body:
            body["schema"]["additionalProperties"] = False
        for answer in operation["responses"].values():
            for content in answer.get("content", {}).values():
                # Some of the official examples break the official schema.
                if "examples" in content or "example" in content:
                    content.pop("schema", None)
        if "`application/octet-stream`" in operation.get("description", ""):
            # What is written about the content of an asset is not in the description's data.
            content = {"schema": {"type": "string", "format": "binary"}}
            operation["responses"]["200"]["content"]["application/octet-stream"] = content
        paths.setdefault(PREFIX + template, {})[method.lower()] = operation
    components: Json = {}
    waiting = references(paths)
    while waiting:
        kind, name = waiting.pop()
        if name not in components.setdefault(kind, {}):
            components[kind][name] = whole["components"][kind][name]
            waiting |= references(components[kind][name])
    return {"openapi": "3.0.3", "info": whole["info"], "paths": paths, "components": components}


def references(data: Any) -> set[tuple[str, str]]:
    """(kind, name) of all components that plain data refers to."""
    found = re.findall(r'"\$ref": "#/components/(\w+)/([^"]+)"', json.dumps(data))
    return {(kind, name) for kind, name in found}


@contextmanager
def served(description: Path) -> Iterator[str]:
    """Prism with this description on the loopback address."""
    script = need("@stoplight/prism-cli") / "dist" / "index.js"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["node", script, "mock", "-h", "127.0.0.1", "-p", str(port), "--errors", description]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, "Prism ended"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def graphql_errors(documents: list[str]) -> list[str]:
    """What GitHub's GraphQL schema says against some documents."""
    need("@octokit/graphql-schema")
    finished = subprocess.run(
        ["node", "validate.mjs"],
        cwd=FOLDER,
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    errors: list[str] = json.loads(finished.stdout)
    return errors


def examples(event: str) -> list[Json]:
    """The official examples of an event's payload."""
    path = need("@octokit/webhooks-examples") / "api.github.com" / "index.json"
    kinds = json.loads(path.read_bytes())
    return next(kind["examples"] for kind in kinds if kind["name"] == event)
