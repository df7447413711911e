"""What this project is built from is pinned: by hash, by digest, by commit."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import PROJECT

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
LOCKS = sorted(PROJECT.glob("requirements*.lock"))
NPM_LOCKS = [
    path
    for path in sorted(PROJECT.glob("tests/*/**/package-lock.json"))
    if "node_modules" not in path.parts
]


def entries(lock: Path) -> list[str]:
    """One text for each requirement, its continued lines joined."""
    return [line for line in lock.read_text().replace("\\\n", " ").splitlines() if line.strip()]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_requirement_has_one_version_and_hashes(lock: Path) -> None:
    assert len(entries(lock)) > 10
    for entry in entries(lock):
        assert re.match(r"[a-z0-9][a-z0-9-]*==[^\s;]+ ", entry), entry[:80]
        assert re.search(r" --hash=sha256:[0-9a-f]{64}", entry), entry[:80]
        assert set(re.findall(r"--[a-z-]+", entry)) == {"--hash"}, entry[:80]
        assert "://" not in entry


def test_locks_hold_what_is_declared() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    declared = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-dev.lock": project["dependency-groups"]["dev"],
        "requirements-audit.lock": project["dependency-groups"]["audit"],
    }
    assert {lock.name for lock in LOCKS} == set(declared)
    for lock, requirements in declared.items():
        locked = {re.split(r"==", entry)[0] for entry in entries(PROJECT / lock)}
        named = {re.split(r"[=<>;!~\[ ]", text)[0].lower() for text in requirements}
        assert named <= locked


def test_nothing_is_installed_without_its_hash() -> None:
    """Wherever pip installs from an index; the project itself comes without dependencies."""
    for path in (PROJECT / "Makefile", PROJECT / "Dockerfile", *WORKFLOWS):
        text = path.read_text().replace("\\\n", " ")
        for line in re.findall(r"^.*(?:pip\b.*\binstall|\$\(PIP\)).*$", text, re.MULTILINE):
            if line.startswith("PIP :="):
                assert "--no-deps" in line
                continue
            assert "--require-hashes" in line or "--no-build-isolation" in line, line
            assert "--no-deps" in line or "$(PIP)" in line, line


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_name_commits_and_need_little(workflow: Path) -> None:
    text = workflow.read_text()
    for line in re.findall(r"uses: .*", text):
        pinned = re.fullmatch(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)
        # Our own image, of the release that the workflow is a part of.
        own = line.startswith(("uses: ./ ", "uses: docker://ghcr.io/org/coral-quantize:"))
        assert pinned or own, line
    data = yaml.safe_load(text)
    assert data["permissions"] == {}
    triggers = data[True]  # YAML 1.1 reads `on` so
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(triggers)
    for job in data["jobs"].values():
        limit = job["timeout-minutes"]
        # Of the reusable workflow, its user says how long a job may take.
        assert limit == "${{ inputs.timeout-minutes }}" or limit <= 60
        assert "permissions" in job
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        # What others can write, a branch's name for example, stays out of scripts.
        for found in re.findall(r"\$\{\{\s*([^}]*?)\s*\}\}", step.get("run", "")):
            raise AssertionError(f"{found} in a script")


def test_base_images_by_digest() -> None:
    text = (PROJECT / "Dockerfile").read_text()
    stages = set(re.findall(r"^FROM \S+ AS (\w+)", text, re.MULTILINE))
    outside = [n for n in re.findall(r"^FROM (\S+)", text, re.MULTILINE) if n not in stages]
    assert outside
    for name in outside:
        assert re.search(r"@sha256:[0-9a-f]{64}$", name), name
    for source in re.findall(r"--from=(\S+)", text):
        assert source in stages
    assert not re.search(r"^ADD\b|curl|wget", text, re.MULTILINE)


def test_releases_say_what_is_in_them() -> None:
    (push,) = [
        step
        for step in steps(PROJECT / ".github" / "workflows" / "release.yml")
        if "build-push-action" in step.get("uses", "")
    ]
    assert push["with"]["sbom"] is True
    assert push["with"]["provenance"] == "mode=max"
    text = (PROJECT / ".github" / "workflows" / "release.yml").read_text()
    assert "actions/attest-build-provenance@" in text
    assert "@${{ steps.push.outputs.digest }}" in text  # what is tested is what was pushed


def test_vulnerabilities_are_looked_for_in_every_lock() -> None:
    path = PROJECT / ".github" / "workflows" / "audit.yml"
    scripts = "\n".join(step.get("run", "") for step in steps(path))
    assert "for lock in requirements*.lock" in scripts
    assert "pip-audit --strict --require-hashes" in scripts
    assert "schedule" in yaml.safe_load(path.read_text())[True]


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda path: path.parent.name)
def test_packages_of_npm_have_hashes(lock: Path) -> None:
    packages = json.loads(lock.read_text())["packages"]
    assert len(packages) > 1
    for name, package in packages.items():
        if name:
            assert package["integrity"].startswith("sha512-"), name
    assert "npm ci --ignore-scripts" in (PROJECT / "Makefile").read_text()
