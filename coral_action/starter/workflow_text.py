"""The first workflow: quantize on every pull request, comment the result."""

from __future__ import annotations

WORKFLOW_PATH = ".github/workflows/coral.yml"

_WORKFLOW = """\
name: coral
on: pull_request
permissions:
  contents: read
  pull-requests: write
jobs:
  quantize:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - uses: org/coral-quantize@v1
        with:
          config: {config}
          compiler: none  # or `accept-compiler-terms: true`, see the README
"""


def workflow_text(config: str) -> str:
    """The text of the workflow; `config` is the path of coral.yml in the repository."""
    return _WORKFLOW.format(config=config)
