"""E-mail of event handlers: a message of its own for each address, sent at least once."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parseaddr
from hashlib import sha256
from smtplib import (
    SMTPDataError,
    SMTPException,
    SMTPNotSupportedError,
    SMTPRecipientsRefused,
)
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.core import mail as django_mail
from django.core.mail import EmailMessage
from django.core.mail.backends import dummy

from audit.reactions.deliveries import Delivery

logger = structlog.get_logger(__name__)

#: The seconds before each retry: a mail server may be away for a day.
BACKOFF = (5, 30, 300, 1800, *[3600] * 24)
# Absent before Django 6.1, which deprecates `get_connection`.
_mailers: Any = getattr(django_mail, "mailers", None)
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

    def message_id(self, delivery_id: UUID) -> str:
        """Return the Message-ID: the delivery's id, a digest, and the domain of the sender.

        It is the same at each attempt.
        """
        _, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
        domain = sender.rpartition("@")[2] or "localhost"
        digest = sha256(f"{self.about} {self.to}".encode()).hexdigest()[:16]
        return f"<{delivery_id}.{digest}@{domain}>"


class NotSent(Exception):
    """The mail server has not accepted the message."""


class Unfinished(Exception):
    """There are more messages than one call has time for: the next attempt sends the others."""


def is_configured() -> bool:
    """Return True if there is a mail server; if not, no recipients need to be read."""
    return not isinstance(_connection(), dummy.EmailBackend | None)


def send(mails: Iterable[Mail], *, delivery: Delivery) -> None:
    """Send messages over one connection; a refused one does not stop the others.

    A permanent refusal is logged. Another attempt in this process repeats no message.

    :raises Exception: if a message has to be sent again: that of the mail server or connection.
    """
    sent = _sent.pop(delivery.id, set())
    waiting = [each for each in mails if each.message_id(delivery.id) not in sent]
    if not waiting:
        return
    _remember(delivery, sent)
    with _connection() as connection:
        _send_each(waiting, delivery=delivery, connection=connection, sent=sent)
    _sent.pop(delivery.id, None)


def send_one(mail: Mail, *, delivery_id: UUID) -> None:
    """Send one message that is not about an event. ``delivery_id`` is the same at each attempt.

    :raises NotSent: if it is not accepted, or there is no mail server.
    """
    if not is_configured():
        raise NotSent("No mail server is configured.")
    try:
        with _connection() as connection:
            connection.send_messages([_message(mail, delivery_id=delivery_id)])
    except (SMTPException, OSError, ValueError) as error:
        raise NotSent(f"The mail server failed: {type(error).__name__}.") from error


def _connection() -> Any:
    """Return a connection by the settings EMAIL_* or MAILERS; None without a default mailer."""
    connection: Any = _mailers.get("default") if _mailers else django_mail.get_connection()
    if getattr(connection, "timeout", 0) is None:
        connection.timeout = _TIMEOUT_SECONDS
    return connection


def _send_each(
    mails: Iterable[Mail], *, delivery: Delivery, connection: Any, sent: set[str]
) -> None:
    end = time.monotonic() + _LONGEST_SECONDS
    failure: Exception | None = None
    for mail in mails:
        if time.monotonic() > end:
            raise failure or Unfinished
        try:
            connection.send_messages([_message(mail, delivery_id=delivery.id)])
        except (SMTPRecipientsRefused, SMTPDataError, SMTPNotSupportedError, ValueError) as error:
            if not _is_permanent(error):
                failure = error
                continue
            logger.exception("mail_refused", address=mail.to, event_id=str(delivery.id))
        sent.add(mail.message_id(delivery.id))
    if failure:
        raise failure


def _message(mail: Mail, *, delivery_id: UUID) -> EmailMessage:
    return EmailMessage(
        subject=mail.subject,
        body=mail.text,
        to=[mail.to],
        headers={"Message-ID": mail.message_id(delivery_id)},
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
