"""How far a question may reach: the addresses of pictures, and redirects, are strangers' words.

A record on Civitai may name any host, and a name may lead into the network that this machine stands in: to the router's
page, to another service here, to a cloud's metadata. Such an address is refused where a connection has one, so that no
name that resolves now so, now otherwise gets around it; nothing is sent there. Who has set `api.base_url` to a mirror
in the own network, or uses a resolver that leads every name through a tunnel, is not hindered: where the home host itself
lies inside, the inside may be reached.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from contextlib import suppress
from typing import Any, ClassVar

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from modelshelf.civitai.answers import QuestionRefused
from modelshelf.domain.display import readable


class Reach:
    """Which hosts may be asked. `home_host` is the one that the configuration names: always."""

    def __init__(self, home_host: str | None) -> None:
        self._home_host = home_host

    def require_name(self, host: str) -> None:
        """Raise QuestionRefused for a host that is an inner address, or a name for this machine, as it is written."""
        is_inside = is_inner(host) if _is_address(host) else host == "localhost" or host.endswith(".localhost")
        if is_inside and not self._is_permitted(host):
            raise self._refusal(host)

    def require_address(self, host: str, address: str) -> None:
        """Raise QuestionRefused where a host has led to an inner address."""
        if is_inner(address) and not self._is_permitted(host):
            raise self._refusal(host)

    def _is_permitted(self, host: str) -> bool:
        return host == self._home_host or self._is_home_inside()

    def _is_home_inside(self) -> bool:
        if self._home_host is None:
            return False
        try:
            found = socket.getaddrinfo(self._home_host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return False  # budget: a home that nobody can name is nowhere, and not inside
        return any(is_inner(str(each[4][0])) for each in found)

    def _refusal(self, host: str) -> QuestionRefused:
        return QuestionRefused(f"{readable(host)} is not asked: it lies in this machine's own network")


def is_inner(address: str) -> bool:
    """Tell whether an IP address is anything but one of the public internet."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found.sixtofour or found
    return not found.is_global or found.is_multicast


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class TimeLeft(threading.local):
    """For how many seconds more this thread waits for an answer to begin."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class GuardedAdapter(HTTPAdapter):
    """Connections whose far end `reach` has looked at, and whose answers begin while there is `time_left`.

    http.client waits for as long as a byte drips now and then, or one "100 Continue" follows another. A connection by way of
    a proxy ends at the proxy: there only the name can be looked at.
    """

    def __init__(self, reach: Reach, time_left: TimeLeft) -> None:
        self._bounds = {"reach": reach, "time_left": time_left}
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **keywords: Any) -> None:
        """Build the pools, as requests does it, of connections of ours."""
        super().init_poolmanager(*arguments, **keywords)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _pool(HTTPConnectionPool, type("_Plain", (_Guarded, HTTPConnection), self._bounds)),
            "https": _pool(HTTPSConnectionPool, type("_Secure", (_Guarded, HTTPSConnection), self._bounds)),
        }


def _pool(base: type[HTTPConnectionPool], connection: type) -> type[HTTPConnectionPool]:
    return type(base.__name__, (base,), {"ConnectionCls": connection})


class _Guarded(HTTPConnection):
    reach: ClassVar[Reach]
    time_left: ClassVar[TimeLeft]

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        try:
            self.reach.require_address(self.host, str(connected.getpeername()[0]))
        except BaseException:
            connected.close()
            raise
        return connected

    def getresponse(self) -> Any:
        """Give the answer's head; the connection is cut where it does not end."""
        cutting = threading.Timer(self.time_left.seconds, _cut, [self.sock])
        cutting.daemon = True
        cutting.start()
        try:
            return super().getresponse()
        finally:
            cutting.cancel()


def _cut(connected: socket.socket | None) -> None:
    with suppress(OSError):
        if connected is not None:
            connected.shutdown(socket.SHUT_RDWR)
