"""Passkeys as the second factor at sign-in, and to confirm a sign-in."""

from uuid import UUID

from approvals.passkeys import ceremonies, listing, signing
from approvals.passkeys.ceremonies import PasskeysUnavailable, Signature, SignatureInvalid
from approvals.passkeys.signing import UnknownPasskey
from audit.factors.passkeys import Challenge, Passkeys


class SecondFactor(Passkeys):
    """The passkeys of people. Unlike for a vote, one need not be known outside to count."""

    script = "approvals/passkeys.js"
    page = "countersign:own-passkeys"

    def problem(self) -> str:
        """Return why they cannot be used at the address of this server; empty if they can be."""
        return ceremonies.problem_with_address()

    def has(self, user_id: int) -> bool:
        """Return True if a person has one that was neither removed nor reset."""
        return bool(listing.usable(user_id))

    def is_current(self, passkey_id: str, *, user_id: int) -> bool:
        """Return True if a passkey is one of the person that was neither removed nor reset."""
        return any(str(each.pk) == passkey_id for each in listing.usable(user_id))

    def options(self, challenge: Challenge) -> str:
        """Return the options of ``navigator.credentials.get`` as JSON."""
        known = listing.usable(challenge.user_id)
        return ceremonies.signature_options(challenge=_signed_by(challenge), known=known)

    def use(self, response: str, *, challenge: Challenge) -> UUID | None:
        """Return the id of the passkey that signed the challenge, and store its counter."""
        if not challenge.nonce:
            return None
        try:
            passkey = signing.use_current(
                Signature.read(response),
                person_id=challenge.user_id,
                challenge=_signed_by(challenge),
            )
        except (SignatureInvalid, UnknownPasskey, PasskeysUnavailable):
            return None
        return passkey.pk


def _signed_by(challenge: Challenge) -> bytes:
    """Return what the passkey signs. Its prefix is that of no vote and no registration."""
    content = {
        "nonce": challenge.nonce,
        "person": str(challenge.user_id),
        "purpose": challenge.purpose,
    }
    return ceremonies.digest("second-factor", content)
