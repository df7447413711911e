"""The documentation site: builds strictly, needs no network; its generated pages are current."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from harness import PROJECT
from pages import PAGES, anchors, tokens

from coral_action.config.reference import reference_page

EXTERNAL = re.compile(r"^(https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it."""
    target = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", target],
        cwd=PROJECT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return target


class Loads(HTMLParser):
    """What a browser fetches for a page, and its anchors."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.ids.add(values.get("id", ""))
        if tag == "a":
            self.links.append(values.get("href", ""))
        elif tag == "link" and values.get("rel") not in ("canonical", "next", "prev"):
            self.fetched.append(values.get("href", ""))
        elif "src" in values:
            self.fetched.append(values["src"])


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) >= 15
    for page in pages:
        assert [url for url in Loads(page).fetched if EXTERNAL.match(url)] == [], page
    styles = [sheet.read_text(encoding="utf-8") for sheet in site.rglob("*.css")]
    assert not any(re.search(r"@import|url\(['\"]?(https?:)?//", style) for style in styles)


def test_no_link_is_broken(site: Path) -> None:
    """Every link inside of the site, written as HTML or not, leads to a page and an anchor."""
    known = {page: Loads(page) for page in site.rglob("*.html") if page.name != "404.html"}
    checked = 0
    for page, loads in known.items():
        for link in loads.links:
            target, _, anchor = link.partition("#")
            if EXTERNAL.match(target) or target.startswith("mailto:") or not link:
                continue
            file = (page.parent / target).resolve() if target else page
            file = file / "index.html" if file.is_dir() else file
            assert file.is_file(), f"{page.relative_to(site)}: {link}"
            if anchor and file in known:
                assert anchor in known[file].ids, f"{page.relative_to(site)}: {link}"
            checked += 1
    assert checked > 500


def test_links_to_other_servers_are_listed(site: Path) -> None:
    listed = (site / "external-links.txt").read_text(encoding="utf-8").splitlines()
    assert len(listed) > 5
    assert all(re.match(r"https://\S+  \S", line) for line in listed)


def test_links_work_on_github_too() -> None:
    """Relative links of the sources lead to files, and to headings as GitHub names them."""
    checked = 0
    for page in PAGES:
        for token in tokens(page):
            for child in token.children or ():
                address = str(child.attrs.get("href") or child.attrs.get("src") or "")
                target, _, anchor = address.partition("#")
                if not address or re.match(r"[a-z]+:", address):
                    continue
                file = (page.parent / target).resolve() if target else page
                assert file.exists(), f"{page.name}: {address}"
                if anchor and file.suffix == ".md":
                    assert anchor in anchors(file), f"{page.name}: {address}"
                checked += 1
    assert checked > 100


def test_every_page_is_in_the_navigation() -> None:
    text = (PROJECT / "mkdocs.yml").read_text(encoding="utf-8")
    navigation = text[text.index("\nnav:") :]
    listed = set(re.findall(r"[\w-]+\.md", str(yaml.safe_load(navigation))))
    there = {page.name for page in (PROJECT / "docs").glob("*.md")}
    assert listed == there | {"index.md"}


def test_configuration_reference_is_current() -> None:
    committed = (PROJECT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert committed == reference_page(), "run: python -m coral_action.config.reference"


def test_configuration_reference_has_every_key() -> None:
    from coral_action.config.schema import json_schema

    schema = json_schema()
    page = reference_page()
    for definition in (schema, *schema["$defs"].values()):
        for key in definition["properties"]:
            assert f"\n| `{key}` |" in page


def test_home_page_is_the_readme(site: Path) -> None:
    home = Loads(site / "index.html")
    assert {"recipes", "exit-codes", "inputs-and-outputs-of-the-action"} <= home.ids
    text = (site / "index.html").read_text(encoding="utf-8")
    assert text.count("<details>") == (PROJECT / "README.md").read_text().count("<details>")
    # Markdown inside of the collapsed recipes is rendered, too.
    assert "```" not in text
