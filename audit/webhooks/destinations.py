"""Destinations of webhooks: their URLs, and the addresses that may be connected to.

A destination is chosen by a customer, so it must not reach anything that only this machine, or its
network, can reach. `check` examines the text of a URL; `addresses` resolves its host for one
attempt and returns only addresses that are public.
"""

import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from audit.installation.settings import countersign
from audit.messages.exceptions import FieldError, Invalid

LONGEST_URL = 2_000
_HTTPS_PORT = 443
_VISIBLE = re.compile(r"[!-\[\]-~]+")
# All addresses of IPv6 that are public so far. Outside are those that contain an IPv4 address
# (compatible, translated, NAT64) and reserved ones; `is_global` of Python accepts many of them.
_UNICAST = ip_network("2000::/3")
# Networks that `is_global` of Python 3.11 to 3.13 accepts: those that contain an IPv4 address
# (6to4, Teredo), and those that are reserved for protocols and documentation.
_REFUSED = tuple(
    map(ip_network, ("2001::/23", "2002::/16", "3fff::/20", "192.0.0.0/24", "192.88.99.0/24"))
)


class NotPublic(Exception):
    """The host of the destination has an address that is not public."""


class Unresolvable(Exception):
    """The host of the destination cannot be resolved."""


class Destination(NamedTuple):
    """The parts of a URL that a request needs. ``target`` is the path with the query."""

    is_tls: bool
    host: str
    port: int
    target: str

    @classmethod
    def of(cls, url: str) -> "Destination":
        """Return the parts of a URL that `check` has accepted."""
        parts = urlsplit(url)
        is_tls = parts.scheme == "https"
        port = parts.port or (_HTTPS_PORT if is_tls else 80)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(is_tls, parts.hostname or "", port, target)


def check(url: str) -> None:
    """Check the URL of a destination, without resolving its host.

    :raises Invalid: if it is not HTTPS, has another port than the settings allow, a user name, a
        password or a fragment, or names an address that is not public.
    """
    problem = _problem(url)
    if problem:
        raise Invalid(errors=[FieldError("destination", "invalid", problem)])


def addresses(host: str, port: int) -> list[str]:
    """Return the addresses of a host, resolved now; connect to these, and resolve no second time.

    :raises Unresolvable: if there are none.
    :raises NotPublic: if even one of them is not public.
    """
    found = resolved(host, port)
    if not (countersign().webhook_allow_private or all(map(is_public, found))):
        raise NotPublic
    return found


def resolved(host: str, port: int) -> list[str]:
    """Return the addresses of a host, public or not.

    :raises Unresolvable: if there are none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unresolvable from error
    unique = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not unique:
        raise Unresolvable
    return unique


def is_public(text: str) -> bool:
    """Return True if an address is one that anyone on the Internet can connect to."""
    address = ip_address(text)
    address = (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    is_refused = any(address in network for network in _REFUSED)
    return address.is_global and not address.is_multicast and not is_refused


def _problem(url: str) -> str:
    if len(url) > LONGEST_URL:
        return f"must have at most {LONGEST_URL} characters"
    if not _VISIBLE.fullmatch(url):
        return "must have only visible ASCII characters, and no backslash"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "must be a valid URL"
    return _problem_of_parts(parts, port)


def _problem_of_parts(parts: SplitResult, port: int | None) -> str:
    settings = countersign()
    if not parts.hostname or parts.fragment:
        return "must be a URL with a host and without a fragment"
    if "@" in parts.netloc:
        return "must not have a user name or a password"
    if settings.webhook_allow_private and parts.scheme in ("http", "https"):
        return ""
    if parts.scheme != "https":
        return "must begin with https://"
    if (port or _HTTPS_PORT) not in settings.webhook_ports:
        return f"must have one of the ports {_listed(settings.webhook_ports)}"
    return "" if _may_be_public(parts.hostname) else "must be at a public address"


def _listed(ports: Sequence[int]) -> str:
    return ", ".join(map(str, ports))


def _may_be_public(host: str) -> bool:
    try:
        address: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        # A name, or an address in an older notation: each attempt checks what it resolves to.
        return host != "localhost"
    return is_public(str(address))
