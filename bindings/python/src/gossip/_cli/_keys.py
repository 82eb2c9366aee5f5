"""AES keys and tokens: read from files and the environment, never from the command line."""

import base64
import binascii
import hashlib
import os
import stat
from pathlib import Path

from ._status import USAGE, Failure

__all__ = ["fingerprint", "parse_keys", "read_keys", "read_secret"]

LIMIT = 65536
SIZES = (16, 24, 32)


def read_secret(path: str, what: str) -> str:
    """The text of a file that nobody but its owner may write, nor anybody but its owner and group read."""
    try:
        with Path(path).open("rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode) and not stat.S_ISFIFO(facts.st_mode):
                raise Failure(f"{what} {path} is no file", USAGE)
            mode = stat.S_IMODE(facts.st_mode)
            if mode & 0o027:
                raise Failure(
                    f"{what} {path} has mode {mode:04o}: others could read or change it; chmod 600 {path}", USAGE
                )
            data = file.read(LIMIT + 1)
    except OSError as error:
        raise Failure(f"{what} {path} cannot be read: {(error.strerror or str(error)).lower()}", USAGE) from None
    if len(data) > LIMIT:
        raise Failure(f"{what} {path} is larger than {LIMIT} bytes, that is no {what}", USAGE)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Failure(f"{what} {path} is not text", USAGE) from None


def read_keys(path: str) -> tuple[bytes, ...]:
    """The keys of a file: one a line in base64, the primary one first; `#` begins a comment."""
    lines = (line.split("#")[0].strip() for line in read_secret(path, "key file").splitlines())
    return parse_keys([line for line in lines if line], f"key file {path}")


def parse_keys(texts: list[str], where: str) -> tuple[bytes, ...]:
    """Keys from base64. No message shows one."""
    keys = []
    for number, text in enumerate(texts, 1):
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            text = f"key {number} of {where} is not base64; make one with: gossip keys generate"
            raise Failure(text, USAGE) from None
        if len(key) not in SIZES:
            raise Failure(f"key {number} of {where} is {len(key)} bytes, must be 16, 24 or 32", USAGE)
        keys.append(key)
    if not keys:
        raise Failure(f"{where} holds no key; make one with: gossip keys generate", USAGE)
    return tuple(keys)


def fingerprint(key: bytes) -> str:
    """What a key is called where it must not be shown."""
    return hashlib.sha256(b"gossip key fingerprint\0" + key).hexdigest()[:16]
