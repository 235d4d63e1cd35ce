"""An authenticator in software, for tests: it registers passkeys and signs with them."""

import hashlib
import json
import os

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

from approvals.models import Vote
from approvals.passkeys import signing, votes
from approvals.passkeys.commands import RegisterPasskey
from approvals.passkeys.models import Passkey
from audit.bus.context import Context
from tests.conftest import actor, completed

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
ORIGIN = "https://countersign.example"


class Authenticator:
    """One passkey with its private key."""

    def __init__(self, origin=ORIGIN, *, flags=PRESENT | VERIFIED, counts=True):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id, self.origin, self.flags = os.urandom(32), origin, flags
        self.count, self.step = 0, int(counts)

    def register(self, challenge):
        """Return the response to a registration: an attestation object, and the client data."""
        numbers = self.key.public_key().public_numbers()
        x, y = (each.to_bytes(32, "big") for each in (numbers.x, numbers.y))
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        credential = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose
        data = self._data(ATTESTED) + credential
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = self._client_data("webauthn.create", challenge)
        return bytes_to_base64url(attestation), bytes_to_base64url(client_data)

    def sign(self, challenge):
        """Return a signature over a challenge, as the script on the pages sends it."""
        self.count += self.step
        data, client_data = self._data(), self._client_data("webauthn.get", challenge)
        signed = data + hashlib.sha256(client_data).digest()
        signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        parts = {
            "credential_id": self.id,
            "authenticator_data": data,
            "client_data": client_data,
            "signature": signature,
        }
        return json.dumps({name: bytes_to_base64url(each) for name, each in parts.items()})

    def _data(self, flags=0):
        host = self.origin.partition("//")[2].partition(":")[0]
        counter = self.count.to_bytes(4, "big")
        return hashlib.sha256(host.encode()).digest() + bytes([self.flags | flags]) + counter

    def _client_data(self, kind, challenge):
        content = {"type": kind, "challenge": bytes_to_base64url(challenge), "origin": self.origin}
        return json.dumps(content | {"crossOrigin": False}).encode()


def registration(person, authenticator, *, signer=None, name="key", nonce="0a", **fields):
    """Return the command that registers a passkey of a person, signed with an earlier one."""
    challenge = signing.registration_challenge(person_id=person.pk, nonce=nonce)
    attestation, client_data = authenticator.register(challenge)
    added = signing.addition_challenge(person_id=person.pk, nonce=nonce, attestation=attestation)
    return RegisterPasskey(
        passkey_name=name,
        attestation=attestation,
        client_data=client_data,
        nonce=nonce,
        signature=signer.sign(added) if signer else "",
        **fields,
    )


def signature(request, person, authenticator, *, decision="approve", nonce="0b", **changes):
    """Return a person's signature of the next vote on a request, or of another ``changes`` make."""
    own = [each for each in request.all_votes() if each.voter_id == person.pk]
    values = {
        "request_id": request.pk,
        "voter_id": person.pk,
        "number": len(own) + 1,
        "decision": decision,
        "digest": request.digest,
    }
    requirements = changes.pop("requirements", request.requirements)
    vote = Vote(**{**values, **changes})
    challenge = votes.challenge_of(vote, requirements=requirements, nonce=nonce)
    return json.dumps(json.loads(authenticator.sign(challenge)) | {"nonce": nonce})


def registered(person, authenticator, **fields):
    """Register a passkey of a person, and return it."""
    command = registration(person, authenticator, **fields)
    completed(command, context=Context(actor=actor(person)))
    return Passkey.objects.get(pk=command.passkey_id)
