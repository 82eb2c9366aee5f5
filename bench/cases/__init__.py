"""The cases, in the order of the document: each measures, and fills its table."""

from collections.abc import Callable

from harness.case import Options
from harness.tables import Table

from .accept import accept
from .codec import codec
from .datagrams import datagrams
from .interface import interface

CASES: dict[str, Callable[[Table, Options], None]] = {
    "codec": codec,
    "accept": accept,
    "datagrams": datagrams,
    "interface": interface,
}
