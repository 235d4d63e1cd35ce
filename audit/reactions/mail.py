"""E-mail of event handlers: a message of its own for each address, sent at least once."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parseaddr
from hashlib import sha256
from smtplib import SMTPDataError, SMTPNotSupportedError, SMTPRecipientsRefused
from uuid import UUID

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from audit.reactions.deliveries import Delivery

logger = structlog.get_logger(__name__)

#: The seconds before each retry: a mail server may be away for a day.
BACKOFF = (5, 30, 300, 1800, *[3600] * 24)
# The backend if no mail server is configured.
_NO_MAIL = "django.core.mail.backends.dummy.EmailBackend"
# What a call can take besides, until another worker takes the subscription over, is a time-out.
_LONGEST_SECONDS = 30
_TIMEOUT_SECONDS = 10
_PERMANENT = 500
_MOST_REMEMBERED = 1000

# The messages of deliveries that failed in part: this process does not repeat them.
_sent: dict[UUID, set[str]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A message to one address.

    ``about`` is different for each message of a delivery to the same address.
    """

    to: str
    subject: str
    text: str
    about: str = ""

    def message_id(self, delivery: Delivery) -> str:
        """Return the Message-ID: the delivery's id, a digest, and the domain of the sender.

        It is the same at each attempt.
        """
        _, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
        domain = sender.rpartition("@")[2] or "localhost"
        digest = sha256(f"{self.about} {self.to}".encode()).hexdigest()[:16]
        return f"<{delivery.id}.{digest}@{domain}>"


class Unfinished(Exception):
    """There are more messages than one call has time for: the next attempt sends the others."""


def is_configured() -> bool:
    """Return True if there is a mail server; if not, no recipients need to be read."""
    return bool(settings.EMAIL_BACKEND != _NO_MAIL)


def send(mails: Iterable[Mail], *, delivery: Delivery) -> None:
    """Send messages over one connection; a refused one does not stop the others.

    A permanent refusal is logged. Another attempt in this process repeats no message.

    :raises Exception: if a message has to be sent again: that of the mail server or connection.
    """
    sent = _sent.pop(delivery.id, set())
    waiting = [each for each in mails if each.message_id(delivery) not in sent]
    if not waiting:
        return
    _remember(delivery, sent)
    timeout = settings.EMAIL_TIMEOUT or _TIMEOUT_SECONDS
    with get_connection(timeout=timeout) as connection:
        _send_each(waiting, delivery=delivery, connection=connection, sent=sent)
    _sent.pop(delivery.id, None)


def _send_each(
    mails: Iterable[Mail], *, delivery: Delivery, connection: BaseEmailBackend, sent: set[str]
) -> None:
    end = time.monotonic() + _LONGEST_SECONDS
    failure: Exception | None = None
    for mail in mails:
        if time.monotonic() > end:
            raise failure or Unfinished
        try:
            _message(mail, delivery=delivery, connection=connection).send()
        except (SMTPRecipientsRefused, SMTPDataError, SMTPNotSupportedError, ValueError) as error:
            if not _is_permanent(error):
                failure = error
                continue
            logger.exception("mail_refused", address=mail.to, event_id=str(delivery.id))
        sent.add(mail.message_id(delivery))
    if failure:
        raise failure


def _message(mail: Mail, *, delivery: Delivery, connection: BaseEmailBackend) -> EmailMessage:
    return EmailMessage(
        subject=mail.subject,
        body=mail.text,
        to=[mail.to],
        connection=connection,
        headers={"Message-ID": mail.message_id(delivery)},
    )


def _is_permanent(error: Exception) -> bool:
    """Return True if the same message to the same address would be refused again."""
    match error:
        case SMTPRecipientsRefused(recipients=refusals):
            return all(code >= _PERMANENT for code, _ in refusals.values())
        case SMTPDataError(smtp_code=code):
            return bool(code >= _PERMANENT)
        case _:
            return True


def _remember(delivery: Delivery, sent: set[str]) -> None:
    if len(_sent) >= _MOST_REMEMBERED:
        del _sent[next(iter(_sent))]
    _sent[delivery.id] = sent
