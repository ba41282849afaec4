"""`python -m forethought` is `forethought`."""

import sys

from forethought.extras import MissingExtraError


def main() -> int:
    """Run one command; without the packages of the command line, say how to install them. Returns the exit code."""
    try:
        from forethought.cli.main import main as run_command
    except MissingExtraError as error:
        sys.stderr.write(f"forethought: {error}\n")
        return 2
    return run_command()


if __name__ == "__main__":
    sys.exit(main())
