"""HTTP on the gossip port with nothing but the standard library: `http_service.py NAME [SEED...]`.

    curl http://127.0.0.1:PORT/             who is there
    curl http://127.0.0.1:PORT/metrics      for Prometheus
"""

import json
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import gossip


class Handler(BaseHTTPRequestHandler):
    """Answers from what gossip knows; each request in a thread of its own."""

    node: gossip.Gossip

    def do_GET(self) -> None:
        if self.path == "/metrics":
            kind, body = "text/plain; version=0.0.4", self.node.metrics()
        else:
            members = [{"name": member.name, "address": member.endpoint} for member in self.node.pool(1)]
            kind, body = "application/json", json.dumps(members)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


def main(name: str, *seeds: str) -> None:
    # SIGTERM ends as Ctrl-C does: the end of the blocks says goodbye.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with gossip.Gossip(gossip.Config(name=name, bind_addr="127.0.0.1", bind_port=0)) as node:
        Handler.node = node
        pool = node.register_pool(gossip.PoolConfig.local(1))
        # Before the join: whoever sees this node may ask it at once.
        listener = node.listen_tcp()
        if seeds:
            pool.join(seeds, timeout=10)
        # The server's own socket is not bound; the listener takes its place.
        with ThreadingHTTPServer(node.address, Handler, bind_and_activate=False) as httpd:
            httpd.socket.close()
            httpd.socket = listener
            try:
                print("http://{}:{}".format(*node.address), flush=True)
                httpd.serve_forever()
            except KeyboardInterrupt:
                pass


if __name__ == "__main__":
    main(*sys.argv[1:])
