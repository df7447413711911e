"""Pictures of the comment and of the HTML report, into docs/images/: `make screenshots`.

Needs Chromium and `npm ci --ignore-scripts --prefix tests/browser`; diagrams are drawn where
mermaid was installed beside them (`npm install --no-save mermaid`, 120 MB).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT), str(Path(__file__).parent)]

import report_samples as samples  # noqa: E402
from browser_driver import drive, missing  # noqa: E402
from comment_page import page  # noqa: E402
from PIL import Image  # noqa: E402

from coral_action.report import html, markdown  # noqa: E402

COMMENT_LOOKS = (("light", 920, False), ("dark", 920, True), ("400", 400, False))
REPORT_LOOKS = (("light", 1100, False), ("dark", 1100, True), ("400", 400, False))


def main(target: Path, *, everything: bool) -> None:
    """Write the pictures that the documents show; `everything` adds long ones to look at."""
    if reason := missing():
        raise SystemExit(f"screenshots: {reason}")
    target.mkdir(parents=True, exist_ok=True)
    reports = {"comment": samples.mixed()}
    if everything:
        reports |= {"digits": samples.digits(), "large": samples.large(40, 300)}
    jobs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, report in reports.items():
            file = Path(scratch) / f"{name}.html"
            file.write_text(page(markdown.render(report, markdown.COMMENT)), encoding="utf-8")
            for look, width, dark in COMMENT_LOOKS:
                job = {"url": file.as_uri(), "width": width, "height": 200, "dark": dark}
                job |= {"wait": ".drawn", "close": name == "comment"}
                jobs.append(job | {"picture": str(target / f"{name}-{look}.png")})
                if everything:
                    job |= {"close": False, "picture": str(target / f"{name}-all-{look}.png")}
                    jobs.append(job)
        file = Path(scratch) / "report.html"
        file.write_text(html.render(samples.mixed()), encoding="utf-8")
        for look, width, dark in REPORT_LOOKS:
            job = {"url": file.as_uri(), "width": width, "height": 1400, "dark": dark}
            jobs.append(job | {"full": False, "picture": str(target / f"report-{look}.png")})
            if everything:
                picture = str(target / f"report-all-{look}.png")
                jobs.append(job | {"open": True, "picture": picture})
        for job, result in zip(jobs, drive(*jobs), strict=True):
            shrink(Path(job["picture"]))
            words = [job["picture"], f"overflow {result['overflow']} px", *result["errors"]]
            sys.stdout.write(" ".join(words) + "\n")


def shrink(picture: Path) -> None:
    """256 colours are enough for text and lines, and a third of the bytes."""
    with Image.open(picture) as image:
        reduced = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    reduced.save(picture, optimize=True)


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--all"]
    folder = Path(words[0]) if words else PROJECT / "docs" / "images"
    main(folder, everything="--all" in sys.argv)
