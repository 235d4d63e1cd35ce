"""The second factor at sign-in: an authenticator app with recovery codes, or a passkey."""
