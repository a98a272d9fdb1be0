"""What the local pages of verbs share: who may ask, and how a refusal looks. Needs aiohttp."""

import contextlib
import hashlib
import hmac
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
EVERYWHERE = ("0.0.0.0", "[::]")
"""Hosts that listen at all of this machine's addresses of one kind, as `bracketed` writes them."""

UNROUTED, UNROUTED_6 = ("192.0.2.1", 9), ("2001:db8::1", 9)
"""Addresses of no machine (RFC 5737, RFC 3849): their routes say which address of ours others see.
"""

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


@dataclass(frozen=True, kw_only=True)
class LocalPage:
    """A page of this machine's and its server.

    Attributes:
        folder: of the page's files; its scripts and styles are served.
        html: the page's name in it.
        hosts: names under which the page may be asked for: others are refused, so that no foreign
            site reaches it by a name that it controls.
        token: whoever has it may use the page.
        verb: that prints the address.
    """

    folder: Path
    html: str
    hosts: Collection[str]
    token: str
    verb: str

    def application(
        self, routes: Iterable[web.RouteDef], *, largest_body: int = 1024
    ) -> web.Application:
        """The server; run it by `aiohttp.web`.

        Args:
            routes: of the verb; "/" and the page's files are added.
            largest_body: bytes of a request.
        """
        app = web.Application(client_max_size=largest_body, middlewares=[_answered, self._guarded])
        files = web.get("/{file:[a-z]+\\.(?:js|css)}", self._file)
        app.add_routes([web.get("/", self._page), files, *routes])
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        require_access(request, hosts=self.hosts, token=self.token, verb=self.verb)
        return await handler(request)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        """The page; from now on a cookie carries the token."""
        response = web.FileResponse(self.folder / self.html)
        response.set_cookie(
            cookie_of(self.token), self.token, httponly=True, samesite="Strict", path="/"
        )
        return response

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = self.folder / request.match_info["file"]
        if not path.is_file():
            raise web.HTTPNotFound(text="there is no such file")
        return web.FileResponse(path)


@web.middleware
async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal is JSON with one sentence; every answer has the headers of `SECURITY`."""
    try:
        response = await handler(request)
    except web.HTTPRequestEntityTooLarge:
        most = request.client_max_size / 1e6
        response = refusal(413, f"the file is larger than {most:g} MB: make it smaller first")
    except web.HTTPException as error:
        response = refusal(error.status, error.text or error.reason)
    except TimeoutError:
        response = refusal(408, "the upload took too long: try again, or a smaller file")
    except ConnectionResetError:  # nobody hears this; without it the log has a traceback
        response = refusal(400, "the connection was lost")
    except ValueError as error:
        response = refusal(422, str(error))
    if not response.prepared:
        response.headers.update(SECURITY)
    return response


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
    if host.lower() not in hosts and not _is_address_of(request, host, hosts):
        raise web.HTTPForbidden(text=f"this page isn't called {host!r}: open the printed address")
    origin = request.headers.get("Origin")
    if origin is not None and not _is_own(origin, request):
        raise web.HTTPForbidden(text="another site asked: refused")
    given = request.query.get("token") or request.cookies.get(cookie_of(token), "")
    if not hmac.compare_digest(given.encode(), token.encode()):
        raise web.HTTPForbidden(
            text=f"the address lacks its token: open the one that `trilift {verb}` printed"
        )


def _is_own(origin: str, request: web.Request) -> bool:
    """Whether a script of this page asked. A proxy that speaks HTTPS with browsers asks by HTTP."""
    scheme, _, host = origin.partition("://")
    return host == request.host and scheme in (request.scheme, "https")


def _is_address_of(request: web.Request, host: str, hosts: Collection[str]) -> bool:
    """Whether a page that is served everywhere was asked for by the number that it was reached at,
    which no foreign site controls.
    """
    if request.transport is None or not set(hosts) & set(EVERYWHERE):
        return False
    return bool(host.strip("[]") == request.transport.get_extra_info("sockname")[0])


def cookie_of(token: str) -> str:
    """A name of its own for each page: cookies are shared by all ports of a host."""
    return f"trilift_{hashlib.sha256(token.encode()).hexdigest()[:8]}"


def names_of(host: str, others: Iterable[str] = ()) -> tuple[str, ...]:
    """The names, in small letters, under which a page may be asked for that is served at `host`;
    one that is served everywhere also answers to this machine's.

    Args:
        others: further names, such as a proxy's.

    Raises:
        ValueError: one is no name but an address of a page.
    """
    others = [other.lower() for other in others]
    for other in others:
        if not re.fullmatch(r"[\w.-]+|\[[\da-f:]+\]", other, re.ASCII):
            raise ValueError(
                f"names= holds {other!r}: give the name alone, such as heads.example.org, without"
                " scheme, port or path"
            )
    host, machine = bracketed(host), socket.gethostname().lower()
    own = (machine, f"{machine}.local") if host in EVERYWHERE else ()
    return (*LOOPBACK, host, *own, *others)


def bracketed(host: str) -> str:
    """A host as browsers write it in an address: in small letters, a number of IPv6 in its shortest
    form and in brackets.
    """
    host = host.lower().strip("[]")
    if ":" not in host:
        return host
    with contextlib.suppress(ValueError):
        host = str(ipaddress.IPv6Address(host))
    return f"[{host}]"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what is served at `host`."""
    return bracketed(host) in LOOPBACK


def printable(host: str) -> str:
    """What others write for `host` in an address; the loopback without a network."""
    host = bracketed(host)
    if host not in EVERYWHERE:
        return host
    is_6 = host != EVERYWHERE[0]
    try:
        with socket.socket(socket.AF_INET6 if is_6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(UNROUTED_6 if is_6 else UNROUTED)  # sends nothing
            return bracketed(str(probe.getsockname()[0]))
    except OSError:
        return LOOPBACK[2 if is_6 else 0]


def refusal(status: int, text: str) -> web.Response:
    """JSON with one sentence."""
    return web.json_response({"error": " ".join(text.split())}, status=status)


def unservable(host: str, port: int, error: OSError) -> ValueError:
    """What to raise where a server can't listen."""
    return ValueError(
        f"can't serve at {bracketed(host)}:{port} ({error.strerror or error}): give another port="
        " or host="
    )
