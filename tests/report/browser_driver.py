"""Pages in a real browser: Chromium, driven by tests/browser/driver.mjs."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

BROWSER = Path(__file__).parents[1] / "browser"
MODULES = BROWSER / "node_modules"


def missing() -> str:
    """What the browser tests lack on this machine; empty when they can run."""
    if chromium() is None:
        return "no Chromium on PATH: apt-get install chromium"
    if shutil.which("node") is None:
        return "no Node.js on PATH"
    if not (MODULES / "playwright-core").is_dir():
        return "no npm packages: npm ci --ignore-scripts --prefix tests/browser"
    return ""


def chromium() -> str | None:
    """The browser's path."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


def drive(*jobs: dict[str, Any]) -> list[dict[str, Any]]:
    """Results of the jobs (see driver.mjs); skips the test where there is no browser."""
    if reason := missing():
        pytest.skip(reason)
    request = {
        "chromium": chromium(),
        "axe": str(MODULES / "axe-core" / "axe.min.js"),
        "jobs": list(jobs),
    }
    done = subprocess.run(
        ["node", "driver.mjs"],
        cwd=BROWSER,
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results: list[dict[str, Any]] = json.loads(done.stdout)
    return results
