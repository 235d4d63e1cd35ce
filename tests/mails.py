"""E-mail in tests: what the event handler has sent once it knows every event."""

from django.core import mail

from audit.testing import react

NO_SERVER = "tests.mails.NoServer"


class NoServer:
    """A mail server that is not there."""

    def __init__(self, **_):
        pass

    def __enter__(self):
        raise OSError("no route to host")

    def __exit__(self, *_):
        """Never reached."""


def sent():
    """Return the messages that were sent for the events so far, after those before."""
    react("approvals.mail")
    return mail.outbox


def forget():
    """Send what there is to send, and forget it."""
    sent().clear()
