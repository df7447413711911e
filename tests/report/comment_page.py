"""A page that shows Markdown as a GitHub comment: cmark-gfm and GitHub's style sheet."""

from __future__ import annotations

from pathlib import Path

import cmarkgfm
from cmarkgfm.cmark import Options

BROWSER = Path(__file__).parents[1] / "browser"
MODULES = BROWSER / "node_modules"
CSS = MODULES / "github-markdown-css" / "github-markdown.css"
MERMAID = MODULES / "mermaid" / "dist" / "mermaid.min.js"  # large, so only drawn where it is there

_OPTIONS = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_GITHUB_PRE_LANG

# A comment on GitHub: 16 px around it on a phone, a border, 16 px inside (seen in 2026).
_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Comment</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{css}
:root {{ color-scheme: light dark; }}
body {{ margin: 0; padding: 16px; background: #fff; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #0d1117; }} }}
.comment {{ max-width: 880px; border: 1px solid #8884; border-radius: 6px; padding: 16px; }}
.markdown-body {{ font-size: 14px; }}
.mermaid {{ background: none; }}
</style></head><body><main class="comment markdown-body">{body}</main>{script}</body></html>
"""
_SCRIPT = """<script>{library}</script><script>
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
mermaid.initialize({{ startOnLoad: false, theme: dark ? "dark" : "default" }});
for (const code of document.querySelectorAll('pre[lang="mermaid"]')) {{
  const div = document.createElement("div");
  div.className = "mermaid";
  div.textContent = code.textContent;
  code.replaceWith(div);
}}
mermaid.run().finally(() => document.body.classList.add("drawn"));
</script>"""


def to_html(markdown: str) -> str:
    """HTML as GitHub's own parser makes it, before its sanitizer: so what is unsafe is seen."""
    return cmarkgfm.github_flavored_markdown_to_html(markdown, _OPTIONS)


def page(markdown: str) -> str:
    """The whole page, with everything in it."""
    script = ""
    if MERMAID.exists() and "```mermaid" in markdown:
        script = _SCRIPT.format(library=MERMAID.read_text("utf-8"))
    else:
        script = "<script>document.body.classList.add('drawn')</script>"
    return _PAGE.format(css=CSS.read_text("utf-8"), body=to_html(markdown), script=script)
