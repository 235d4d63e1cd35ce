"""Ceremonies of WebAuthn: the relying party, options for browsers, and verified responses.

https://www.w3.org/TR/webauthn-3/
"""

import hashlib
import ipaddress
import json
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, structs
from webauthn.helpers.exceptions import WebAuthnException

from approvals.passkeys.models import Passkey
from approvals.sealing import payloads
from audit.installation.settings import countersign
from audit.messages.exceptions import Conflict, Forbidden

_NAME = "Countersign"
_LOCAL = "localhost"
# Of the JSON of a signature, and of each part of a registration.
_LONGEST = 16_384
_BASE64URL = re.compile("[A-Za-z0-9_-]*")
# The library checks the structure of most responses, but not of all.
_MALFORMED = (WebAuthnException, ValueError, TypeError, LookupError, AttributeError, struct.error)
_PARTS = ("credential_id", "authenticator_data", "client_data", "signature")


class PasskeysUnavailable(Conflict):
    """Passkeys cannot be used at the address of this server."""

    remedy = "Ask an operator to set BASE_URL to an https address with a host name."


class SignatureInvalid(Forbidden):
    """The signature of the passkey is not valid for this."""

    title = "Invalid signature"
    remedy = "Reload the page and sign again."


class RelyingParty(NamedTuple):
    """The relying party: ``id`` is the host name of BASE_URL, ``origin`` its scheme and host."""

    id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature by a passkey, with the nonce of its challenge. All parts are base64url."""

    credential_id: str
    authenticator_data: str
    client_data: str
    signature: str
    nonce: str = ""

    @classmethod
    def read(cls, text: str) -> "Signature":
        """Return the signature that a JSON object contains.

        :raises SignatureInvalid: if it contains none.
        """
        try:
            content = json.loads(text) if len(text) <= _LONGEST else None
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise SignatureInvalid
        return cls.of(content)

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Signature":
        """Return the signature that a mapping contains.

        :raises SignatureInvalid: if it contains none.
        """
        values = {name: content.get(name, "") for name in (*_PARTS, "nonce")}
        if not all(
            isinstance(each, str) and _BASE64URL.fullmatch(each) for each in values.values()
        ):
            raise SignatureInvalid
        return cls(**values)

    def as_dict(self) -> dict[str, str]:
        """Return the parts by name, as they are stored."""
        return {name: getattr(self, name) for name in (*_PARTS, "nonce")}


class Registered(NamedTuple):
    """The content of a verified registration; id and key are base64url."""

    credential_id: str
    public_key: str
    sign_count: int


def problem_with_address() -> str:
    """Return why passkeys cannot be used at BASE_URL; empty if they can be."""
    address = urlsplit(countersign().base_url)
    host = address.hostname or ""
    if not host:
        return "BASE_URL is not set."
    if _is_ip_address(host):
        return f"BASE_URL has an IP address, {host}, but passkeys need a host name."
    if address.scheme != "https" and host != _LOCAL and not host.endswith(f".{_LOCAL}"):
        return "BASE_URL does not begin with https, which browsers require for passkeys."
    return ""


def relying_party() -> RelyingParty:
    """Return the relying party of this server.

    :raises PasskeysUnavailable: with the reason, if BASE_URL does not allow passkeys.
    """
    if problem := problem_with_address():
        raise PasskeysUnavailable(problem)
    address = urlsplit(countersign().base_url)
    # Browsers omit the port that is usual for the scheme.
    usual = {"https": 443, "http": 80}[address.scheme]
    port = f":{address.port}" if address.port not in (None, usual) else ""
    host = address.hostname or ""
    return RelyingParty(host, f"{address.scheme}://{host}{port}")


def party_at(origin: str) -> RelyingParty:
    """Return the relying party of an origin: passkeys of another one cannot sign there.

    :raises SignatureInvalid: if it is malformed.
    """
    try:
        return RelyingParty(urlsplit(origin).hostname or "", origin)
    except ValueError as error:
        raise SignatureInvalid from error


def digest(purpose: str, content: Mapping[str, Any]) -> bytes:
    """Return a challenge: the SHA-256 of a prefix with the purpose, and of canonical JSON."""
    return hashlib.sha256(
        f"countersign/{purpose}/v1\n".encode() + payloads.canonical(content)
    ).digest()


def registration_options(
    *, person_id: int, username: str, challenge: bytes, known: Iterable[Passkey]
) -> str:
    """Return the options of ``navigator.credentials.create`` as JSON."""
    options = webauthn.generate_registration_options(
        rp_id=relying_party().id,
        rp_name=_NAME,
        user_name=username,
        user_id=f"user:{person_id}".encode(),
        challenge=challenge,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.PREFERRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_described(known),
    )
    return webauthn.options_to_json(options)


def signature_options(*, challenge: bytes, known: Iterable[Passkey]) -> str:
    """Return the options of ``navigator.credentials.get`` as JSON."""
    options = webauthn.generate_authentication_options(
        rp_id=relying_party().id,
        challenge=challenge,
        allow_credentials=_described(known),
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def verify_registration(*, attestation: str, client_data: str, challenge: bytes) -> Registered:
    """Return the content of the browser's response to a registration.

    :raises SignatureInvalid: if it is not a response to this challenge with user verification.
    """
    party = relying_party()
    try:
        credential_id = _credential_id(attestation)
        verified = webauthn.verify_registration_response(
            credential={
                "id": credential_id,
                "rawId": credential_id,
                "type": "public-key",
                "response": {"attestationObject": attestation, "clientDataJSON": client_data},
            },
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except _MALFORMED as error:
        raise SignatureInvalid("The response of the passkey is not valid.") from error
    return Registered(
        credential_id, bytes_to_base64url(verified.credential_public_key), verified.sign_count
    )


def verify_signature(
    signature: Signature,
    *,
    public_key: str,
    challenge: bytes,
    party: RelyingParty,
    sign_count: int = 0,
) -> int:
    """Return the counter of a signature with user verification over a challenge.

    :param sign_count: the counter of the signature before, which this one has to exceed unless the
        passkey does not count.
    :raises SignatureInvalid: if it was not made with this key over this challenge.
    """
    try:
        verified = webauthn.verify_authentication_response(
            credential={
                "id": signature.credential_id,
                "rawId": signature.credential_id,
                "type": "public-key",
                "response": {
                    "authenticatorData": signature.authenticator_data,
                    "clientDataJSON": signature.client_data,
                    "signature": signature.signature,
                },
            },
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=base64url_to_bytes(public_key),
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    except _MALFORMED as error:
        raise SignatureInvalid from error
    return verified.new_sign_count


def _credential_id(attestation: str) -> str:
    """Return the id in an attestation object."""
    if len(attestation) > _LONGEST or not _BASE64URL.fullmatch(attestation):
        raise ValueError(attestation)
    found = webauthn.helpers.parse_attestation_object(base64url_to_bytes(attestation))
    data = found.auth_data.attested_credential_data
    return bytes_to_base64url(data.credential_id) if data else ""


def _described(known: Iterable[Passkey]) -> list[structs.PublicKeyCredentialDescriptor]:
    return [
        structs.PublicKeyCredentialDescriptor(id=base64url_to_bytes(each.credential_id))
        for each in known
    ]


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
