"""The token: a value that can be sent, and is shown nowhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping

from coral_action.errors import UsageError

_HIDDEN = "***"
_VARIABLES = ("INPUT_TOKEN", "GITHUB_TOKEN", "GH_TOKEN")


class Token:
    """A GitHub token; only `header` reveals it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        # Anything else would end up, in full, in the HTTP library's complaint about a bad header.
        if not re.fullmatch(r"[\x21-\x7e]+", value):
            raise UsageError("the GitHub token holds characters that no token has")
        self._value = value

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Token | None:
        """The input of the action, else what the command line uses; None if there is none."""
        values = (environment.get(name, "").strip() for name in _VARIABLES)
        return next((cls(value) for value in values if value), None)

    @staticmethod
    def remove_from(environment: MutableMapping[str, str]) -> None:
        """Take it out of an environment, so that no process started later inherits it."""
        for name in _VARIABLES:
            environment.pop(name, None)

    def header(self) -> str:
        """The value of the Authorization header."""
        return f"Bearer {self._value}"

    @property
    def is_of_app(self) -> bool:
        """Whether what it writes is written by a bot, as with the token that each job gets."""
        return self._value.startswith("ghs_")

    def hide(self, text: str) -> str:
        """`text` without the token, should GitHub or a proxy have sent it back."""
        return text.replace(self._value, _HIDDEN)

    def __repr__(self) -> str:
        return f"Token({_HIDDEN})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a token is not to be stored")
