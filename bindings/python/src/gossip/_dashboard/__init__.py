"""What an agent shows of itself over HTTP: a page, and the facts behind it.

`View` gathers the facts on one asyncio loop, `App` answers requests with them, and
`Server` is the HTTP in between, which trusts nobody.
"""

from ._app import Access, App, Control
from ._http import Limits, Server
from ._view import View

__all__ = ["Access", "App", "Control", "Limits", "Server", "View"]
