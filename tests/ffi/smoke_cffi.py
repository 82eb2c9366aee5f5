"""Two nodes by cffi: join, a message, one muxed connection, the end. Arguments: the library, its declarations."""

from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path

from cffi import FFI

PATIENCE_MS = 10_000
ffi = FFI()
ffi.cdef(Path(sys.argv[2]).read_text(encoding="utf-8"))
lib = ffi.dlopen(sys.argv[1])


def ok(status: int) -> None:
    """Raises what is no success."""
    if status != lib.GOSSIP_OK:
        raise RuntimeError(ffi.string(lib.gossip_status_name(status)).decode())


def node(name: bytes, delegate: object) -> tuple[object, object, bytes]:
    """A running node with a pool: both, and its address."""
    config, lan = ffi.new("gossip_config_t **"), ffi.new("gossip_pool_config_t **")
    gossip, pool = ffi.new("gossip_t **"), ffi.new("gossip_pool_t **")
    ok(lib.gossip_config_new(config))
    for key, value in ((b"name", name), (b"bind_addr", b"127.0.0.1"), (b"bind_port", b"0")):
        ok(lib.gossip_config_set(config[0], key, value, ffi.NULL))
    ok(lib.gossip_new(config[0], gossip, ffi.NULL))
    ok(lib.gossip_pool_config_new(1, lib.GOSSIP_PRESET_LOCAL, lan, ffi.NULL))
    ok(lib.gossip_register_pool(gossip[0], lan[0], delegate, pool, ffi.NULL))
    ok(lib.gossip_start(gossip[0], ffi.NULL))
    lib.gossip_pool_config_free(lan[0])
    lib.gossip_config_free(config[0])
    addr, text = ffi.new("gossip_addr_t *"), ffi.new("char[]", lib.GOSSIP_ADDR_TEXT_SIZE)
    ok(lib.gossip_local_addr(gossip[0], addr))
    ok(lib.gossip_addr_format(addr, text, len(text), ffi.NULL))
    return gossip[0], pool[0], ffi.string(text)


def main() -> None:
    heard, arrived = [], threading.Event()

    @ffi.callback("void(void *, const uint8_t *, size_t, const gossip_message_t *)")
    def on_message(_user: object, data: object, length: int, _message: object) -> None:
        heard.append(bytes(ffi.buffer(data, length)))
        arrived.set()

    delegate = ffi.new(
        "gossip_delegate_t *", {"struct_size": ffi.sizeof("gossip_delegate_t"), "notify_msg": on_message}
    )
    ada, ada_pool, _ = node(b"ada", ffi.NULL)
    bob, bob_pool, bob_addr = node(b"bob", delegate)
    seed = ffi.new("char[]", bob_addr)
    ok(lib.gossip_pool_join(ada_pool, [seed], 1, PATIENCE_MS, ffi.NULL, ffi.NULL))
    count, deadline = ffi.new("size_t *"), time.monotonic() + PATIENCE_MS / 1000
    while count[0] != 2:
        ok(lib.gossip_pool_num_members(ada_pool, count))
        assert time.monotonic() < deadline, count[0]

    members = ffi.new("gossip_members_t **")
    ok(lib.gossip_pool_members(ada_pool, members))
    member = lib.gossip_members_find(members[0], b"bob", 3)
    ok(lib.gossip_pool_send_reliable(ada_pool, member, b"hello", 5, PATIENCE_MS, ffi.NULL, ffi.NULL))
    lib.gossip_members_free(members[0])
    assert arrived.wait(PATIENCE_MS / 1000) and heard == [b"hello"], heard

    listener, out, taken = ffi.new("gossip_listener_t **"), ffi.new("int *"), ffi.new("int *")
    ok(lib.gossip_listen(bob, 7, listener, ffi.NULL))
    ok(lib.gossip_dial(bob_addr, 7, PATIENCE_MS, lib.GOSSIP_FD_BLOCKING, out, ffi.NULL))
    ok(lib.gossip_listener_accept(listener[0], PATIENCE_MS, lib.GOSSIP_FD_BLOCKING, taken, ffi.NULL))
    with socket.socket(fileno=out[0]) as left, socket.socket(fileno=taken[0]) as right:
        left.sendall(b"ping")
        assert right.recv(4, socket.MSG_WAITALL) == b"ping"

    for gossip in (ada, bob):
        ok(lib.gossip_shutdown(gossip, PATIENCE_MS, ffi.NULL))
        lib.gossip_free(gossip)
    lib.gossip_listener_free(listener[0])
    lib.gossip_pool_free(ada_pool)
    lib.gossip_pool_free(bob_pool)
    print("cffi works")


main()
