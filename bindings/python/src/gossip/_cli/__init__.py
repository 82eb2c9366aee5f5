"""The command `gossip`: an agent that runs a node, and what talks to it."""

import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command with these arguments, those of the process without, and returns its exit status."""
    from ._parser import parse
    from ._status import INTERRUPTED, Failure
    from ._terminal import complain

    arguments = parse(argv)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except Failure as failure:
        complain(str(failure))
        return failure.status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has enough of it. The interpreter must not try to flush again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status
