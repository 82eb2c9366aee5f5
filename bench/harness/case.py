"""What a case is told of how it should run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """The choices of the command line."""

    wanted: int | None
    short: bool

    def rounds(self, usual: int) -> int:
        """How often each contender runs, where `usual` is this case's own number."""
        return self.wanted or (1 if self.short else usual)

    def of(self, usual: float, short: float) -> float:
        """A size or a length of time: the usual one, or that of a short run."""
        return short if self.short else usual

    def count(self, usual: int, short: int) -> int:
        """The same for a number of things."""
        return short if self.short else usual
