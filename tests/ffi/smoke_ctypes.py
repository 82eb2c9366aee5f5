"""Two nodes by ctypes: join, a message, one muxed connection, the end. Argument: the library."""

from __future__ import annotations

import ctypes
import socket
import sys
import threading
import time
from ctypes import POINTER, byref, c_char_p, c_int, c_int32, c_size_t, c_uint32, c_void_p

LIB = ctypes.CDLL(sys.argv[1])
MESSAGE = ctypes.CFUNCTYPE(None, c_void_p, POINTER(ctypes.c_uint8), c_size_t, c_void_p)
LOCAL, LISTENER, PATIENCE_MS = 3, 7, 10_000


class Delegate(ctypes.Structure):
    """gossip_delegate_t; the callbacks that are not used are plain pointers."""

    _fields_ = (
        [("struct_size", c_size_t), ("user_data", c_void_p)]
        + [(name, c_void_p) for name in ("destroy", "join", "leave", "update", "conflict")]
        + [("notify_msg", MESSAGE)]
        + [(name, c_void_p) for name in ("merge_remote", "ping", "local_state", "merge", "alive", "allow_tcp_ping")]
    )


def function(name: str, *arguments: type, returns: type | None = c_int32):
    """A function of the library; a status other than success is raised."""
    found = getattr(LIB, name)
    found.argtypes, found.restype = arguments, returns

    def call(*given: object) -> object:
        result = found(*given)
        if returns is c_int32 and result != 0:
            raise RuntimeError(f"{name}: {status_name(result).decode()}")
        return result

    return call


P = c_void_p
status_name = LIB.gossip_status_name
status_name.argtypes, status_name.restype = [c_int32], c_char_p
config_new = function("gossip_config_new", P)
config_set = function("gossip_config_set", P, c_char_p, c_char_p, P)
pool_config_new = function("gossip_pool_config_new", c_int32, c_int32, P, P)
new = function("gossip_new", P, P, P)
register_pool = function("gossip_register_pool", P, P, P, P, P)
start = function("gossip_start", P, P)
local_addr = function("gossip_local_addr", P, P)
addr_format = function("gossip_addr_format", P, P, c_size_t, P)
join = function("gossip_pool_join", P, POINTER(c_char_p), c_size_t, c_int32, P, P)
num_members = function("gossip_pool_num_members", P, P)
members_of = function("gossip_pool_members", P, P)
find = function("gossip_members_find", P, c_char_p, c_size_t, returns=c_void_p)
send_reliable = function("gossip_pool_send_reliable", P, P, c_char_p, c_size_t, c_int32, P, P)
listen = function("gossip_listen", P, c_int32, P, P)
dial = function("gossip_dial", c_char_p, c_int32, c_int32, c_uint32, P, P)
accept = function("gossip_listener_accept", P, c_int32, c_uint32, P, P)
shutdown = function("gossip_shutdown", P, c_int32, P)
free = {
    name: function(f"gossip_{name}free", P, returns=None)
    for name in ("", "config_", "pool_config_", "pool_", "members_", "listener_")
}


def node(name: bytes, delegate: Delegate | None) -> tuple[c_void_p, c_void_p, bytes]:
    """A running node with a pool: both, and its address."""
    config, lan, gossip, pool = P(), P(), P(), P()
    config_new(byref(config))
    for key, value in ((b"name", name), (b"bind_addr", b"127.0.0.1"), (b"bind_port", b"0")):
        config_set(config, key, value, None)
    new(config, byref(gossip), None)
    pool_config_new(1, LOCAL, byref(lan), None)
    register_pool(gossip, lan, byref(delegate) if delegate else None, byref(pool), None)
    start(gossip, None)
    free["pool_config_"](lan)
    free["config_"](config)
    addr, text = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
    local_addr(gossip, addr)
    addr_format(addr, text, 64, None)
    return gossip, pool, text.value


def main() -> None:
    heard, arrived = [], threading.Event()

    @MESSAGE
    def on_message(_user: object, data: object, length: int, _message: object) -> None:
        heard.append(ctypes.string_at(data, length))
        arrived.set()

    delegate = Delegate(struct_size=ctypes.sizeof(Delegate), notify_msg=on_message)
    ada, ada_pool, _ = node(b"ada", None)
    bob, bob_pool, bob_addr = node(b"bob", delegate)
    join(ada_pool, (c_char_p * 1)(bob_addr), 1, PATIENCE_MS, None, None)
    count, deadline = c_size_t(), time.monotonic() + PATIENCE_MS / 1000
    while count.value != 2:
        num_members(ada_pool, byref(count))
        assert time.monotonic() < deadline, count.value

    members = P()
    members_of(ada_pool, byref(members))
    send_reliable(ada_pool, find(members, b"bob", 3), b"hello", 5, PATIENCE_MS, None, None)
    free["members_"](members)
    assert arrived.wait(PATIENCE_MS / 1000) and heard == [b"hello"], heard

    listener, out, taken = P(), c_int(-1), c_int(-1)
    listen(bob, LISTENER, byref(listener), None)
    dial(bob_addr, LISTENER, PATIENCE_MS, 0, byref(out), None)
    accept(listener, PATIENCE_MS, 0, byref(taken), None)
    with socket.socket(fileno=out.value) as left, socket.socket(fileno=taken.value) as right:
        left.sendall(b"ping")
        assert right.recv(4, socket.MSG_WAITALL) == b"ping"

    for gossip in (ada, bob):
        shutdown(gossip, PATIENCE_MS, None)
        free[""](gossip)
    free["listener_"](listener)
    free["pool_"](ada_pool)
    free["pool_"](bob_pool)
    print("ctypes works")


main()
