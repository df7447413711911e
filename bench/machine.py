"""What the figures of a benchmark were measured on; for the scripts of this folder."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path


def machine() -> str:
    """Processor, cores, load, Python and date, in one line, for whoever quotes the figures."""
    load = os.getloadavg()[0]
    return (
        f"{processor()}, {os.cpu_count()} cores, load {load:.1f} before the start, "
        f"Python {platform.python_version()}, {datetime.date.today()}"
    )


def processor() -> str:
    """The model's name where the system tells it, else the architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
