"""A service of gunicorn's workers on the gossip port, run by a test: `gunicorn_service.py SEED`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from support import config, pool_config  # noqa: E402
from test_servers import wsgi  # noqa: E402

import gossip  # noqa: E402
from gossip.contrib import gunicorn  # noqa: E402

with gossip.Gossip(config("web")) as node:
    # Who sees this node may connect at once.
    listener = node.listen_tcp()
    node.register_pool(pool_config()).join([sys.argv[1]], timeout=20)
    gunicorn.run(wsgi, listener, workers=2, loglevel="warning", control_socket_disable=True)
