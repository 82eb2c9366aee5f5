"""Text for people: colours and spinners on a terminal, plain lines elsewhere.

What comes from the network is cleaned of control characters before it is shown: a name
must not be able to move the cursor.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

__all__ = ["STYLES", "clean", "complain", "has_colour", "paint", "spinner", "table"]

STYLES = {
    "good": "32", "bad": "31", "warn": "33", "quiet": "2", "strong": "1", "news": "36", "plain": "",
}  # fmt: skip
RICH = {
    "good": "green", "bad": "red", "warn": "yellow", "quiet": "dim", "strong": "bold", "news": "cyan", "plain": "",
}  # fmt: skip
STATES = {"alive": "plain", "suspect": "warn", "dead": "bad", "left": "quiet"}


def clean(text: str) -> str:
    """The text with everything that is no printable character written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def has_colour(stream: TextIO) -> bool:
    """Whether colours are welcome there."""
    if os.environ.get("NO_COLOR"):
        return False
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, colour: bool) -> str:
    """The text in a style."""
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if colour and STYLES[style] else text


def complain(text: str) -> None:
    """One line of error."""
    print(f"{paint('gossip:', 'bad', has_colour(sys.stderr))} {clean(text)}", file=sys.stderr)


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """Shows that something goes on, on a terminal and with rich; else shows nothing."""
    console = rich_console(sys.stderr)
    if console is None:
        yield
    else:
        with console.status(text):
            yield


def rich_console(stream: TextIO) -> Any:
    """rich's console for a terminal; `None` without either."""
    if not has_colour(stream):
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream, highlight=False, soft_wrap=False)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str | None], colour: bool) -> list[str]:
    """Lines of aligned columns; `styles` gives each row's."""
    rows = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()

    body = (paint(line(row), style or "plain", colour) for row, style in zip(rows, styles, strict=True))
    return [paint(line(head), "strong", colour), *body]


def rich_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str | None]) -> Any:
    """The same, as rich draws it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, title=Text(clean(title)), title_justify="left", title_style="bold")
    for name in head:
        drawn.add_column(name, overflow="ellipsis", no_wrap=True)
    for row, style in zip(rows, styles, strict=True):
        drawn.add_row(*(Text(clean(cell), style=RICH[style or "plain"]) for cell in row))
    return drawn
