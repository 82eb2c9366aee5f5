"""How commands end."""

__all__ = ["DONE", "FAILED", "INTERRUPTED", "REFUSED", "UNREACHABLE", "USAGE", "Failure"]

DONE = 0
FAILED = 1
"""What was asked for could not be done."""
USAGE = 2
"""The command line, a file or the environment says something that cannot work."""
UNREACHABLE = 3
"""No agent answered."""
REFUSED = 4
"""The agent answered that this is not allowed."""
INTERRUPTED = 130
"""Ctrl-C, as shells report it."""


class Failure(Exception):
    """The end of a command: one line for people, and an exit status for scripts."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        super().__init__(text)
        self.status = status
