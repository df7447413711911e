"""MkDocs hooks: README.md is the home page, and its links work on the site as they do on GitHub.

Links to other servers are listed in external-links.txt of the site and not fetched: a build has to
give the same result on every day and without a network.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

REPOSITORY = "https://github.com/org/coral-quantize/blob/main/"
# [text](target) and ![text](target) with a relative target.
_LINK = re.compile(r"(\]\()(?![a-z]+:|#)([^)\s]+)(\))")
_EXTERNAL = re.compile(r'href="(https?://[^"]+)"')


def on_files(files: Files, config: Any) -> Files:
    """Add README.md as index.md."""
    readme = Path(config.config_file_path).parent / "README.md"
    text = home(readme.read_text(encoding="utf-8"))
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links of a page out of docs/: README.md is the home page, other files are on GitHub."""
    if page.file.src_uri == "index.md":
        return markdown
    return _LINK.sub(_outward, markdown)


def home(readme: str) -> str:
    """README.md as a page of the site: Markdown inside <details>, links relative to docs/."""
    return _LINK.sub(_inward, readme.replace("<details>", '<details markdown="1">'))


def _inward(link: re.Match[str]) -> str:
    before, target, after = link.groups()
    inside = target.removeprefix("docs/")
    return before + (inside if inside != target else REPOSITORY + target) + after


def _outward(link: re.Match[str]) -> str:
    before, target, after = link.groups()
    if not target.startswith("../"):
        return link.group()
    file = target.removeprefix("../")
    name, hash_, anchor = file.partition("#")
    return (
        before + (f"index.md{hash_}{anchor}" if name == "README.md" else REPOSITORY + file) + after
    )


def on_post_build(config: Any) -> None:
    """List the links to other servers, each with the pages that have it."""
    site = Path(config.site_dir)
    found: dict[str, set[str]] = {}
    for page in sorted(site.rglob("*.html")):
        for url in _EXTERNAL.findall(page.read_text(encoding="utf-8")):
            found.setdefault(url, set()).add(page.relative_to(site).as_posix())
    lines = [f"{url}  {' '.join(sorted(pages))}\n" for url, pages in sorted(found.items())]
    (site / "external-links.txt").write_text("".join(lines), encoding="utf-8")
