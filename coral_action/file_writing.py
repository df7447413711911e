"""Writing a file so that nobody sees half of it, and nobody chooses where it goes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all, and no link is followed.

    A model's child process, or the branch under review, may have put links into the folder.

    Raises:
        OSError: if it can't be written.
    """
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(partial, 0o644)  # noqa: PTH101 - a name, as mkstemp gives
        os.replace(partial, path)  # noqa: PTH105
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
