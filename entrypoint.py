"""Entry of the container: the action on a runner, the command line elsewhere.

`docker run --rm -v "$PWD:/github/workspace" IMAGE` runs the coral.yml of the current folder; with
arguments it is the `coral-quantize` command, started in that folder.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

WORKSPACE = Path("/github/workspace")


def main() -> None:
    """Run what the environment and the arguments ask for, and exit with its code."""
    # The first process of a container gets no signal that it does not ask for: `docker stop`, or a
    # cancelled job, would have to wait and kill it.
    signal.signal(signal.SIGTERM, stop)
    workspace = Path(os.environ.get("GITHUB_WORKSPACE") or WORKSPACE)
    from coral_action.ownership import given_back

    with given_back(workspace):
        if len(sys.argv) == 1 and is_action():
            from coral_action.action import main as run_action

            sys.exit(run_action())

        # Where `docker run` got no --workdir, relative paths begin at what was mounted.
        if Path.cwd() == Path("/") and workspace.is_dir():
            os.chdir(workspace)
        from coral_action.cli import main as run_command

        run_command(sys.argv[1:] or ["run"])


def is_action() -> bool:
    """Whether a runner started this as the step of a job."""
    return "GITHUB_ACTIONS" in os.environ or any(name.startswith("INPUT_") for name in os.environ)


def stop(number: int, frame: FrameType | None) -> None:
    """Leave in order, so that children end and files are given back."""
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
