"""Signatures of people: by a passkey of theirs, over one challenge, counted once."""

import hashlib
from datetime import datetime

from django.utils import timezone
from webauthn.helpers import base64url_to_bytes

from approvals.passkeys import ceremonies, listing
from approvals.passkeys.ceremonies import Signature
from approvals.passkeys.models import Passkey, PasskeyCounter
from audit.messages.exceptions import Forbidden


class UnknownPasskey(Forbidden):
    """The signature is not by a passkey of yours that counts now."""

    title = "Unknown passkey"
    remedy = "Sign with a passkey that you have registered and not removed."


def registration_challenge(*, person_id: int, nonce: str) -> bytes:
    """Return the challenge of a registration."""
    return ceremonies.digest("registration", {"nonce": nonce, "person": str(person_id)})


def addition_challenge(*, person_id: int, nonce: str, attestation: str) -> bytes:
    """Return the challenge that an earlier passkey signs for a further one."""
    found = hashlib.sha256(base64url_to_bytes(attestation)).hexdigest()
    return ceremonies.digest(
        "passkey", {"attestation": found, "nonce": nonce, "person": str(person_id)}
    )


def use(signature: Signature, *, person_id: int, challenge: bytes) -> Passkey:
    """Return the passkey of a person that signed a challenge, and store its counter.

    :raises UnknownPasskey: if the person has no such passkey that counts now.
    :raises SignatureInvalid: if the signature is not valid, or its counter does not exceed the
        last one: then there is a copy of the passkey.
    """
    passkey = _counting(person_id, signature.credential_id, at=timezone.now())
    _verify(signature, passkey, challenge=challenge)
    return passkey


def use_current(signature: Signature, *, person_id: int, challenge: bytes) -> Passkey:
    """Return the passkey of a person as `use` does, whether or not it counts for votes yet.

    :raises UnknownPasskey: if the person has no such passkey, or it was removed or reset.
    :raises SignatureInvalid: as `use`.
    """
    passkey = _named(listing.usable(person_id), signature.credential_id)
    _verify(signature, passkey, challenge=challenge)
    return passkey


def _verify(signature: Signature, passkey: Passkey, *, challenge: bytes) -> None:
    """Verify a signature, and store its counter: the lock keeps others from the same count."""
    counter = PasskeyCounter.objects.select_for_update().filter(pk=passkey.pk).first()
    if counter is None:
        raise UnknownPasskey
    counter.sign_count = ceremonies.verify_signature(
        signature,
        public_key=passkey.public_key,
        challenge=challenge,
        party=ceremonies.relying_party(),
        sign_count=counter.sign_count,
    )
    counter.used_at = timezone.now()
    counter.save(update_fields=["sign_count", "used_at"])


def _counting(person_id: int, credential_id: str, *, at: datetime) -> Passkey:
    passkey = _named(listing.of_person(person_id), credential_id)
    if not listing.counts(passkey, at):
        raise UnknownPasskey
    return passkey


def _named(known: list[Passkey], credential_id: str) -> Passkey:
    found = (each for each in known if each.credential_id == credential_id)
    passkey = next(found, None)
    if passkey is None:
        raise UnknownPasskey
    return passkey
