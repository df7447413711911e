"""Pictures of the comment and of the HTML report, into docs/images/: `make screenshots`.

Needs Chromium and `npm ci --ignore-scripts --prefix tests/browser`; diagrams are drawn where
mermaid was installed beside them (`npm install --no-save mermaid`, 120 MB).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT), str(Path(__file__).parent)]

import report_samples as samples  # noqa: E402
from browser_driver import drive, missing  # noqa: E402
from comment_page import page  # noqa: E402

from coral_action.report import html, markdown  # noqa: E402


def main(target: Path) -> None:
    """Write every picture; the README shows comment-light.png."""
    if reason := missing():
        raise SystemExit(f"screenshots: {reason}")
    target.mkdir(parents=True, exist_ok=True)
    reports = {
        "comment": samples.mixed(),
        "comment-digits": samples.digits(),
        "comment-40": samples.large(40, 300),
    }
    with tempfile.TemporaryDirectory() as scratch:
        jobs = []
        for name, report in reports.items():
            file = Path(scratch) / f"{name}.html"
            file.write_text(page(markdown.render(report, markdown.COMMENT)), encoding="utf-8")
            for look, width, dark in (
                ("light", 920, False),
                ("dark", 920, True),
                ("400", 400, False),
            ):
                job = {"url": file.as_uri(), "width": width, "dark": dark, "wait": ".drawn"}
                jobs.append(job | {"picture": str(target / f"{name}-{look}.png")})
        file = Path(scratch) / "report.html"
        file.write_text(html.render(reports["comment"]), encoding="utf-8")
        for look, width, dark in (
            ("light", 1100, False),
            ("dark", 1100, True),
            ("400", 400, False),
        ):
            job = {"url": file.as_uri(), "width": width, "dark": dark}
            jobs.append(job | {"picture": str(target / f"report-{look}.png")})
        jobs.append(jobs[-3] | {"open": True, "picture": str(target / "report-open.png")})
        for job, result in zip(jobs, drive(*jobs), strict=True):
            words = [job["picture"], f"overflow {result['overflow']} px", *result["errors"]]
            sys.stdout.write(" ".join(words) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "docs" / "images")
