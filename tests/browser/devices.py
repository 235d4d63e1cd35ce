"""Virtual authenticators of the browser, for passkeys."""


class Device:
    """A virtual authenticator of the browser: https://chromedevtools.github.io/devtools-protocol."""

    def __init__(self, window):
        self.session = window.page.context.new_cdp_session(window.page)
        self.session.send("WebAuthn.enable")
        self.id = self._added()

    def is_verified(self, *, succeeds):
        """Let the user verification succeed or fail from now on."""
        command = {"authenticatorId": self.id, "isUserVerified": succeeds}
        self.session.send("WebAuthn.setUserVerified", command)

    def is_reset(self):
        """Begin to count the signatures of its passkeys again, as a copy of them would."""
        known = {"authenticatorId": self.id}
        for each in self.session.send("WebAuthn.getCredentials", known)["credentials"]:
            removed = {"credentialId": each["credentialId"]}
            self.session.send("WebAuthn.removeCredential", known | removed)
            self.session.send(
                "WebAuthn.addCredential", known | {"credential": each | {"signCount": 0}}
            )

    def _added(self):
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": False,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        added = self.session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return added["authenticatorId"]
