"""The cases, in the order of the document: each measures, and fills its table."""

from collections.abc import Callable

from harness.case import Options
from harness.tables import Table

from .accept import accept
from .broadcast import broadcast
from .codec import codec
from .datagrams import datagrams
from .detect import detect
from .flood import flood
from .growth import growth
from .idle import idle
from .interface import interface
from .join import join
from .memory import memory
from .push_pull import push_pull
from .python import python
from .steady import steady

CASES: dict[str, Callable[[Table, Options], None]] = {
    "codec": codec,
    "accept": accept,
    "datagrams": datagrams,
    "steady": steady,
    "join": join,
    "detect": detect,
    "broadcast": broadcast,
    "flood": flood,
    "pushpull": push_pull,
    "idle": idle,
    "memory": memory,
    "interface": interface,
    "python": python,
    "growth": growth,
}
