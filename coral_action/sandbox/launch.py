"""Starting a foreign program in the sandbox: a small process that locks itself in and becomes it.

A function between fork and exec would do the same in the parent's own memory, where other threads
may hold any lock; this one starts clean and costs some 20 ms.
"""

from __future__ import annotations

import json
import os

from coral_action.sandbox.apply import apply
from coral_action.sandbox.limits import Limits
from coral_action.sandbox.policy import Policy
from coral_action.sandbox.strength import CANT_START


def main(arguments: list[str]) -> None:
    """Apply the policy, say how strong it is, and become the program.

    Args:
        arguments: a file with a JSON object of `policy`, `limits` and `parent` (a policy can be
            longer than an argument), the descriptor of a pipe, and the command. The pipe gets a
            `Strength` line; then it closes by itself, or gets a line with the error for which the
            program can't start.
    """
    descriptor, command = int(arguments[1]), arguments[2:]
    with open(arguments[0], encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow to import
        start = json.load(file)
    Limits(**start["limits"]).apply()
    strength = apply(Policy.from_json(start["policy"]), frozenset({descriptor}))
    if os.getppid() != start["parent"]:
        os._exit(1)  # it ended before the kernel could be asked to say so
    os.set_inheritable(descriptor, False)
    os.write(descriptor, strength.to_line())
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is what is wanted
    except OSError as error:
        os.write(descriptor, b"%s %d\n" % (CANT_START, error.errno or 0))
        os._exit(127)
