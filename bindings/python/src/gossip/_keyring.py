"""The AES keys of a pool."""

from typing import final

from . import _core
from ._types import Buffer

__all__ = ["Keyring"]


@final
class Keyring:
    """The keys of a pool: it decrypts with any, and encrypts with the primary one.

    To change a cluster's key: `add` the new one everywhere, `use` it everywhere, then
    `remove` the old one everywhere.
    """

    __slots__ = ("_pool",)

    def __init__(self, pool: _core.Pool) -> None:
        self._pool = pool

    @property
    def primary(self) -> bytes | None:
        """The key that encrypts; `None` if the pool has no keys."""
        return next(iter(self.keys()), None)

    def keys(self) -> list[bytes]:
        """All keys, the primary one first."""
        return self._pool.keys()

    def add(self, key: Buffer) -> None:
        """Takes in a key, to decrypt with."""
        self._pool.add_key(key)

    def use(self, key: Buffer) -> None:
        """Makes a key that the ring holds the primary one."""
        self._pool.use_key(key)

    def remove(self, key: Buffer) -> None:
        """Drops a key; the primary one stays."""
        self._pool.remove_key(key)

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __repr__(self) -> str:
        return f"<gossip.Keyring with {len(self)} keys>"
