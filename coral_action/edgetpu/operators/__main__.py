"""`python -m coral_action.edgetpu.operators [FILE]` writes docs/operators.md anew."""

import sys
from pathlib import Path

from coral_action.edgetpu.operators.documentation import operators_page

if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/operators.md")
    target.write_text(operators_page(), encoding="utf-8")
