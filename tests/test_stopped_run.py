"""Runs that are stopped or killed at any moment: nothing is left behind, nothing stale is shown."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from harness import PROJECT, DemoRun
from test_cached_run import edit, float_source, without_time

# CORAL_KILLS=30 kills so often, CORAL_KILLS_OF=all the run of the whole example, not of one model.
KILLS = int(os.environ.get("CORAL_KILLS", "5"))
WHOLE_EXAMPLE = os.environ.get("CORAL_KILLS_OF") == "all"
MOMENTS = random.Random(11)


@dataclass
class Place:
    """Where a run happens; its temporary folder is nobody else's, so all in it is this run's."""

    folder: Path
    config: Path
    models: tuple[str, ...] = ()
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def output(self) -> Path:
        return self.folder / "out"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    def start(self, *words: str) -> subprocess.Popen[str]:
        self.temporary.mkdir(exist_ok=True)
        chosen = [word for name in self.models for word in ("--model", name)]
        options = ("--config", self.config, "--output", self.output, "--compiler", "none")
        options = (*options, "--cache", self.folder / "cache", *chosen, *words)
        process = subprocess.Popen(
            [sys.executable, "-m", "coral_action", "run", *map(str, options)],
            cwd=PROJECT,
            env={**os.environ, "TMPDIR": str(self.temporary)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def report(self) -> dict[str, Any]:
        return json.loads((self.output / "report.json").read_text(encoding="utf-8"))

    def processes(self) -> list[int]:
        """Processes that run with this place's temporary folder, children of children included."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
                ours = os.fsencode(self.temporary) in (process / "environ").read_bytes()
            except OSError:
                continue
            if ours and state not in "ZX":
                found.append(int(process.name))
        return found

    def left_in_temporary(self) -> list[str]:
        return sorted(path.name for path in self.temporary.iterdir())


def gone(place: Place) -> bool:
    deadline = time.monotonic() + 5
    while place.processes():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def place(demo: DemoRun, digits: Path, tmp_path: Path) -> Iterator[Place]:
    """A model that is quantized and evaluated in about two seconds; or the whole example."""
    project = Path(shutil.copytree(digits, tmp_path / "project"))
    found = Place(tmp_path, project / "coral.yml")
    if not WHOLE_EXAMPLE:
        float_source(demo, project)
        found.models = ("digits_saved_model",)
    yield found
    for process in found.started:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture(scope="session")
def whole(demo: DemoRun, digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The same run without a disturbance."""
    folder = tmp_path_factory.mktemp("whole")
    project = Path(shutil.copytree(digits, folder / "project"))
    found = Place(folder, project / "coral.yml")
    if not WHOLE_EXAMPLE:
        float_source(demo, project)
        found.models = ("digits_saved_model",)
    started = time.monotonic()
    process = found.start()
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    (folder / "seconds").write_text(str(time.monotonic() - started))
    assert found.left_in_temporary() == []
    return found


def moments(count: int) -> list[float]:
    """Parts of a run, 0 its start and 1 its end; the same in each run of the tests."""
    return [round(MOMENTS.random(), 3) for _ in range(count)]


@pytest.mark.parametrize("moment", moments(KILLS))
def test_killed_and_run_again_gives_what_an_undisturbed_run_gives(
    whole: Place, place: Place, moment: float
) -> None:
    killed = place.start()
    time.sleep(moment * float((whole.folder / "seconds").read_text()))
    killed.kill()
    killed.communicate()
    assert gone(place), "a child outlived its parent"
    again = place.start()
    _, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    assert without_time(place.report()) == without_time(whole.report())
    files = sorted(path.name for path in whole.output.iterdir())
    assert sorted(path.name for path in place.output.iterdir()) == files
    for name in files:
        if name.endswith(".tflite"):
            assert (place.output / name).read_bytes() == (whole.output / name).read_bytes()
    assert place.left_in_temporary() == []
    assert not list((place.folder / "cache").rglob(".part-*"))


@pytest.mark.parametrize(
    ("number", "code", "moment"),
    [
        (signal.SIGTERM, 143, 0.1),
        (signal.SIGINT, 130, 0.3),
        *((signal.SIGTERM, 143, moment) for moment in moments(KILLS // 10)),
    ],
)
def test_signal_leaves_no_process_and_a_report(
    whole: Place, place: Place, number: signal.Signals, code: int, moment: float
) -> None:
    process = place.start()
    # Until the work has begun, a signal ends it as it does any program.
    while not any(place.temporary.glob("*/start.json")):
        assert process.poll() is None
        time.sleep(0.01)
    seconds = float((whole.folder / "seconds").read_text()) if WHOLE_EXAMPLE else 1.0
    time.sleep(0.8 * moment * seconds)
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert gone(place), "a process was left behind"
    assert place.left_in_temporary() == []
    assert process.returncode == code, errors
    for model, name in zip(place.report()["models"], reported(whole), strict=True):
        assert model["name"] == name
        if model["status"] == "failed":
            assert model["error"]["kind"] == "stopped"
            assert f"stopped by {number.name}" in model["error"]["message"]


def reported(place: Place) -> list[str]:
    return [model["name"] for model in place.report()["models"]]


def test_finished_models_are_kept_when_another_is_stopped(
    demo: DemoRun, digits: Path, tmp_path: Path
) -> None:
    """One of two models is in the cache, the other takes seconds to load."""
    place = Place(tmp_path, digits / "coral.yml", ("digits_saved_model", "digits_keras"))
    shutil.copytree(demo.cache, tmp_path / "cache")
    project = Path(shutil.copytree(digits, tmp_path / "project"))
    edit(project / "coral.yml", lambda text: text.replace("samples: 100", "samples: 99", 2))
    edit(project / "coral.yml", lambda text: text.replace("samples: 99", "samples: 100", 1))
    (project / "model.keras").write_bytes((digits / "model.keras").read_bytes() + b"\0")
    place.config = project / "coral.yml"
    process = place.start("--jobs", "1")
    finished = place.output / "digits_saved_model_int8.tflite"
    deadline = time.monotonic() + 30
    while not (finished.exists() and any(place.temporary.glob("*/start.json"))):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 143, errors
    first, second = place.report()["models"]
    assert (first["name"], first["status"]) == ("digits_saved_model", "ok")
    assert finished.read_bytes() == (demo.output / finished.name).read_bytes()
    assert (second["status"], second["error"]["kind"]) == ("failed", "stopped")
    assert "stopped by SIGTERM" in errors
    assert gone(place)
    assert place.left_in_temporary() == []
