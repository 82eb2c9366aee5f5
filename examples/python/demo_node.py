"""One node of the demonstration: two gossip pools, an echo service, HTTP and datagrams on one port.

    demo_node.py NAME

It reports on standard output, one JSON object a line, and obeys standard input:

    join ADDR               join both pools
    members                 list the members of both
    broadcast POOL TEXT     to every member of a pool
    mux ADDR TEXT           ask ADDR's echo service
    http ADDR               ask ADDR's web server
    datagram ADDR TEXT      send a datagram from the shared port
    quit                    say goodbye and end

The end of its input ends it too, without goodbye, as a crash would.
"""

import json
import sys
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, TCPServer, ThreadingTCPServer
from typing import Any

import gossip

POOLS = {1: "blue", 2: "green"}
ECHO = 0x0101
TIMEOUT = 10.0

printing = threading.Lock()


def report(event: str, **facts: Any) -> None:
    """Tells the driver what happened."""
    with printing:
        print(json.dumps({"event": event, **facts}), flush=True)


class Reporter(gossip.Delegate):
    """Reports what happens in one pool."""

    def __init__(self, pool: int) -> None:
        self.pool = pool

    def notify_join(self, member: gossip.Member) -> None:
        report("join", pool=self.pool, member=member.name)

    def notify_leave(self, member: gossip.Member) -> None:
        report("leave", pool=self.pool, member=member.name, state=str(member.state))

    def notify_msg(self, message: gossip.Message) -> None:
        report("message", pool=self.pool, text=message.data.decode())


def register_pools(node: gossip.Gossip) -> None:
    """Two pools that find a dead member within seconds."""
    for id in POOLS:
        config = gossip.PoolConfig.local(
            id,
            meta=b"lang=Python",
            probe_interval=0.3,
            probe_timeout=0.1,
            gossip_interval=0.05,
            suspicion_mult=3,
        )
        node.register_pool(config, Reporter(id))


def serve_echo(node: gossip.Gossip) -> None:
    """A line-based service of our own, on connections that begin with its id."""

    class Echo(StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline().decode().rstrip("\n")
            self.wfile.write(f"{node.node_name} echoes: {line}\n".encode())

    class EchoServer(ThreadingTCPServer):
        daemon_threads = True

    run_on(EchoServer(node.address, Echo, bind_and_activate=False), node.listen(ECHO))


def serve_http(node: gossip.Gossip) -> None:
    """The standard library's web server, on connections that are nobody else's."""

    class Hello(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"hello from {node.node_name} (Python)\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    run_on(ThreadingHTTPServer(node.address, Hello, bind_and_activate=False), node.listen_tcp())


def run_on(server: TCPServer, listener: gossip.Listener) -> None:
    """Runs a server of the standard library on a listener of ours."""
    server.socket.close()
    server.socket = listener
    threading.Thread(target=server.serve_forever, daemon=True).start()


def serve_datagrams(node: gossip.Gossip) -> gossip.Packets:
    """Answers datagrams, and reports the answers to ours."""
    packets = node.packets()

    def serve() -> None:
        for packet in packets:
            text = packet.data.decode(errors="replace")
            if is_answer(text):
                report("datagram", **{"from": "{}:{}".format(*packet.address)}, reply=text)
            else:
                packets.sendto(f"{node.node_name} got: {text}".encode(), packet.address)

    threading.Thread(target=serve, daemon=True).start()
    return packets


def is_answer(text: str) -> bool:
    """Whether a datagram is a node's answer, `NAME got: ...`, and wants none itself."""
    name, mark, _ = text.partition(" got: ")
    return bool(mark) and " " not in name


def ask_echo(address: str, text: str) -> str:
    """Asks the echo service of another node."""
    with gossip.dial(address, ECHO, timeout=TIMEOUT) as connection:
        connection.settimeout(TIMEOUT)
        connection.sendall(f"{text}\n".encode())
        return connection.makefile().readline().rstrip("\n")


def ask_http(address: str) -> str:
    """Asks the web server of another node, in whatever language it is written."""
    connection = HTTPConnection(address, timeout=TIMEOUT)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode().partition("\n")[0]
    finally:
        connection.close()


def report_members(node: gossip.Gossip) -> None:
    """Lists the members of every pool."""
    for pool in node.pools.values():
        members = [
            {"name": m.name, "addr": m.endpoint, "state": str(m.state), "meta": m.meta.decode()} for m in pool
        ]
        report("members", pool=pool.id, members=members)


def join(node: gossip.Gossip, address: str) -> None:
    """Joins both pools of the node at this address."""
    for pool in node.pools.values():
        pool.join([address], timeout=TIMEOUT)


def obey(node: gossip.Gossip, packets: gossip.Packets) -> bool:
    """Does what standard input says; whether it asked to quit, and did not just end."""
    commands: dict[str, Callable[..., object]] = {
        "join": lambda address: join(node, address),
        "members": lambda: report_members(node),
        "broadcast": lambda pool, text: node.pool(int(pool)).broadcast(text.encode()),
        "mux": lambda address, text: report("mux", reply=ask_echo(address, text)),
        "http": lambda address: report("http", reply=ask_http(address)),
        "datagram": lambda address, text: packets.sendto(text.encode(), address),
    }
    for line in sys.stdin:
        command, *arguments = line.rstrip("\n").split(" ", 2)
        if command == "quit":
            return True
        try:
            commands[command](*arguments)
        except Exception as error:
            report("error", command=command, text=f"{type(error).__name__}: {error}")
    return False


def main() -> None:
    """Runs a node until its input ends."""
    node = gossip.Gossip(gossip.Config(name=sys.argv[1], bind_addr="127.0.0.1", bind_port=0))
    register_pools(node)
    serve_echo(node)
    serve_http(node)
    packets = serve_datagrams(node)
    node.start()
    report("ready", name=node.node_name, addr="{}:{}".format(*node.address), lang="Python")

    if obey(node, packets):
        node.leave()
    node.shutdown()


if __name__ == "__main__":
    main()
