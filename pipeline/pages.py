"""What the local pages of verbs share: who may ask, and how a refusal looks. Needs aiohttp."""

import hmac
from collections.abc import Collection

from aiohttp import web

COOKIE = "trilift"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " img-src 'self' blob: data:; media-src 'self' blob:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def require_access(request: web.Request, *, hosts: Collection[str], token: str, verb: str) -> None:
    """Only those with the token, by a name of ours, and no foreign page's script.

    Args:
        request: its token is in the query or in the cookie.
        hosts: names under which the page may be asked for: others are refused, so that no foreign
            site reaches it by a name that it controls.
        token: whoever has it may use the page.
        verb: that printed the address.

    Raises:
        HTTPForbidden: with one sentence.
    """
    host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
    if host not in hosts:
        raise web.HTTPForbidden(text=f"this page isn't called {host!r}: open the printed address")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.scheme}://{request.host}":
        raise web.HTTPForbidden(text="another site asked: refused")
    given = request.query.get("token") or request.cookies.get(COOKIE, "")
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise web.HTTPForbidden(
            text=f"the address lacks its token: open the one that `trilift {verb}` printed"
        )


def refusal(status: int, text: str) -> web.Response:
    """JSON with one sentence."""
    return web.json_response({"error": " ".join(text.split())}, status=status)
