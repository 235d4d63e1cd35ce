"""Passkeys (WebAuthn): keys that only their owner can use, with which votes are signed."""
