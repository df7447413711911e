"""What a renderer made, taken apart: elements, attributes and text."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"br", "wbr", "img", "meta", "input", "hr"}


class Page(HTMLParser):
    """Tags in their order, text outside of code, and whether every tag was closed in its place."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.comments: list[str] = []
        self.text: list[str] = []
        self.code: list[str] = []
        self.all_text: list[str] = []
        self.broken: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.broken += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "code":
            self.code.append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self._open or self._open.pop() != tag:
            self.broken.append(tag)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        self.all_text.append(data)
        if "code" in self._open or "pre" in self._open:
            if "code" in self._open and self.code:
                self.code[-1] += data
        elif not {"style", "script"} & set(self._open):
            self.text.append(data)

    def structure(self, *, without: set[str]) -> list[tuple[str, tuple[str, ...]]]:
        """All elements but some kinds."""
        return [item for item in self.tags if item[0] not in without]
