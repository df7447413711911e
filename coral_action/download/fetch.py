"""One file over https, from a public address, of bounded size, in bounded time.

The connection is made to the very address that was checked: a name that leads elsewhere a moment
later gains nothing. Nothing of this machine goes along: no credentials, no cookies, no proxy.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from coral_action import __version__
from coral_action.config.download_schema import check_address
from coral_action.download.address import is_public
from coral_action.errors import DownloadError

_CHUNK = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)


def _addresses(host: str, port: int) -> list[str]:
    """What a name leads to, in the system's order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def _context() -> ssl.SSLContext:
    """Certificates are checked against the ones that GitHub's API is checked against."""
    from requests.utils import DEFAULT_CA_BUNDLE_PATH

    own = os.environ.get("REQUESTS_CA_BUNDLE")
    return ssl.create_default_context(cafile=own or DEFAULT_CA_BUNDLE_PATH)


@dataclass(frozen=True)
class Network:
    """The way out, and its bounds; tests put a server of their own here."""

    addresses: Callable[[str, int], list[str]] = _addresses
    allowed: Callable[[str], bool] = is_public
    context: Callable[[], ssl.SSLContext] = _context
    most_bytes: int = 2 * 2**30
    most_seconds: float = 1800.0
    silence: float = 60.0  # seconds without a byte
    redirects: int = 5
    clock: Callable[[], float] = field(default=time.monotonic)


class _Connection(http.client.HTTPSConnection):
    """A connection to an address that was checked, for a host whose certificate is checked."""

    def __init__(self, host: str, port: int, network: Network, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=network.silence, context=context)
        self._network = network
        self._tls = context

    def connect(self) -> None:
        found = self._network.addresses(self.host, self.port)
        public = [address for address in found if self._network.allowed(address)]
        if not public:
            raise _RefusedError(f"{self.host} is at no public address")
        last: OSError = OSError("no address")
        for address in public:
            try:
                plain = socket.create_connection((address, self.port), self._network.silence)
            except OSError as error:
                last = error
                continue
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
            return
        raise last


class _RefusedError(Exception):
    """The address may not be asked."""


def fetch_to(url: str, target: Path, network: Network) -> str:
    """Fetch a file; its SHA-256 in hexadecimal.

    Raises:
        DownloadError: if it can't be had, or is too large, or leads to an address of no public
            network, with how far it came.
    """
    deadline = network.clock() + network.most_seconds
    context = network.context()
    place = url
    try:
        for _ in range(network.redirects + 1):
            parts = urlsplit(check_address(place))
            connection = _Connection(parts.hostname or "", parts.port or 443, network, context)
            try:
                reply = _ask(connection, parts.path or "/", parts.query)
                if reply.status in _REDIRECTS and (onward := reply.getheader("Location")):
                    place = urljoin(place, onward)
                    continue
                if reply.status != 200:
                    raise _error(url, place, f"the server answered {reply.status}")
                return _receive(reply, target, url, network, deadline)
            finally:
                connection.close()
    except _RefusedError as refused:
        raise _error(url, place, f"{refused}") from None
    except ssl.SSLError as error:
        raise _error(url, place, f"its certificate is not good ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _error(url, place, f"can't be fetched ({type(error).__name__})") from error
    except ValueError as error:
        raise _error(url, place, str(error)) from error
    raise _error(url, place, f"more than {network.redirects} redirects")


def _ask(connection: _Connection, path: str, query: str) -> http.client.HTTPResponse:
    headers = {
        "User-Agent": f"coral-quantize/{__version__}",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
    }
    connection.request("GET", f"{path}?{query}" if query else path, headers=headers)
    return connection.getresponse()


def _receive(
    reply: http.client.HTTPResponse, target: Path, url: str, network: Network, deadline: float
) -> str:
    """Write the body; sizes that the server tells are held against what comes."""
    told = reply.length
    if told is not None and told > network.most_bytes:
        raise _error(url, url, f"{told:,} bytes, more than {network.most_bytes:,}")
    digest, received = hashlib.sha256(), 0
    with target.open("xb") as file:
        while chunk := reply.read1(_CHUNK):
            received += len(chunk)
            if received > network.most_bytes:
                raise _error(url, url, f"larger than {network.most_bytes:,} bytes")
            if network.clock() > deadline:
                raise _error(url, url, f"not there after {network.most_seconds:g} seconds")
            digest.update(chunk)
            file.write(chunk)
    if told is not None and received < told:
        raise _error(url, url, f"cut off after {received:,} of {told:,} bytes")
    return digest.hexdigest()


def _error(url: str, place: str, what: str) -> DownloadError:
    by_way = "" if place == url else f", redirected to {urlsplit(place).netloc[:100]}"
    return DownloadError(
        f"{url}{by_way}: {what}",
        hint="public https addresses are fetched directly, without a proxy; docs/security.md, "
        "Downloads, tells the rules",
    )
