"""Limits on the fields of API keys. The database enforces most of them too; these add messages."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from ipaddress import IPv6Network, ip_interface
from typing import Any

from django.utils import timezone

from audit.domain import READ, WRITE, FieldError, Invalid, codec, known_scopes

DEFAULT_SCOPES = (READ, WRITE)
LONGEST_NAME = 100
LONGEST_DESCRIPTION = 500
MOST_NETWORKS = 20
LARGEST_METADATA = 4096
DEEPEST_METADATA = 5
LONGEST_OVERLAP_SECONDS = 7 * 24 * 60 * 60
_IPV4_MAPPED = IPv6Network("::ffff:0:0/96")


def check_name(name: str) -> None:
    """Check the name of a key.

    :raises Invalid: if it is blank or too long.
    """
    if not name.strip():
        raise _invalid("name", "blank", "must not be blank")
    _check_length("name", name, longest=LONGEST_NAME)


def check_description(description: str) -> None:
    """Check the description of a key.

    :raises Invalid: if it is too long.
    """
    _check_length("description", description, longest=LONGEST_DESCRIPTION)


def normal_networks(networks: Sequence[str]) -> tuple[str, ...]:
    """Return the networks in canonical form, without duplicates.

    :raises Invalid: if there are too many, or one is not a network in CIDR notation.
    """
    if len(networks) > MOST_NETWORKS:
        message = f"must have at most {MOST_NETWORKS} networks"
        raise _invalid("allowed_networks", "max_length", message)
    normal = [_normal_network(text, place=place) for place, text in enumerate(networks)]
    return tuple(dict.fromkeys(normal))


def check_metadata(metadata: Mapping[str, Any]) -> None:
    """Check the metadata of a key: large metadata would slow down every list of keys.

    :raises Invalid: if it is too large or nested too deep.
    """
    if _depth(metadata) > DEEPEST_METADATA:
        message = f"must be nested at most {DEEPEST_METADATA} levels deep"
        raise _invalid("metadata", "too_deep", message)
    text = json.dumps(codec(Any).dump(metadata), separators=(",", ":"), ensure_ascii=False)
    if len(text.encode()) > LARGEST_METADATA:
        message = f"must be at most {LARGEST_METADATA} bytes as compact JSON"
        raise _invalid("metadata", "too_large", message)


def check_scopes(wanted: Iterable[str]) -> None:
    """Check that all scopes are known, and that there is at least one.

    :raises Invalid: with one error for each problem.
    """
    errors = [
        FieldError(f"scopes/{place}", "unknown", "is not a known scope")
        for place, scope in enumerate(wanted)
        if scope not in known_scopes()
    ]
    if not tuple(wanted):
        errors.append(FieldError("scopes", "empty", "must have at least one scope"))
    if errors:
        raise Invalid(errors=errors)


def check_period(not_before: datetime | None, expires_at: datetime | None) -> None:
    """Check that the key would ever be valid.

    :raises Invalid: if it would expire before it is valid.
    """
    if not_before is not None and expires_at is not None and expires_at <= not_before:
        raise _invalid("expires_at", "before_start", "must be later than not_before")


def check_is_to_come(expires_at: datetime | None) -> None:
    """Check that the expiry time is in the future.

    :raises Invalid: if it has passed.
    """
    if expires_at is not None and expires_at <= timezone.now():
        raise _invalid("expires_at", "past", "must be in the future")


def check_overlap(overlap_seconds: int) -> None:
    """Check the overlap of a rotation.

    :raises Invalid: if it is negative or longer than seven days.
    """
    if not 0 <= overlap_seconds <= LONGEST_OVERLAP_SECONDS:
        message = f"must be between 0 and {LONGEST_OVERLAP_SECONDS} seconds, which are seven days"
        raise _invalid("overlap_seconds", "out_of_range", message)


def _check_length(field: str, value: str, *, longest: int) -> None:
    if len(value) > longest:
        raise _invalid(field, "max_length", f"must have at most {longest} characters")


def _normal_network(text: str, *, place: int) -> str:
    field = f"allowed_networks/{place}"
    try:
        interface = ip_interface(text)
    except ValueError:
        message = "must be a network in CIDR notation, such as 192.0.2.0/24 or 2001:db8::/32"
        raise _invalid(field, "invalid", message) from None
    network = interface.network
    if "%" in text or (isinstance(network, IPv6Network) and network.subnet_of(_IPV4_MAPPED)):
        message = "must have no zone, and be in IPv4 notation if it is an IPv4 network"
        raise _invalid(field, "invalid", message)
    if interface.ip != network.network_address:
        message = "must have no bits set after its prefix length: 192.0.2.0/24, not 192.0.2.7/24"
        raise _invalid(field, "host_bits", message)
    return str(network)


def _depth(value: Any) -> int:
    match value:
        case dict():
            return 1 + max(map(_depth, value.values()), default=0)
        case list() | tuple():
            return 1 + max(map(_depth, value), default=0)
        case _:
            return 0


def _invalid(field: str, code: str, message: str) -> Invalid:
    return Invalid(errors=[FieldError(field, code, message)])
