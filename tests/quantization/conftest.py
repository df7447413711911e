"""The quantizer in this process must not be seen by tests of other folders."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coral_action.converter_api import forget_stubs


@pytest.fixture(autouse=True, scope="module")
def _whole_tensorflow_afterwards() -> Iterator[None]:
    """The light import leaves empty packages; `import tensorflow` would give one of them."""
    yield
    forget_stubs()
