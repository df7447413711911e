"""Entry of the container: the action on a runner, the command line elsewhere."""

import os
import sys

ACTION_VARIABLES = ("GITHUB_ACTIONS", "INPUT_CONFIG")

if __name__ == "__main__":
    if len(sys.argv) == 1 and any(name in os.environ for name in ACTION_VARIABLES):
        from coral_action.action import main as run_action

        sys.exit(run_action())

    from coral_action.cli import main as run_command

    run_command(sys.argv[1:] or ["run"])
