"""Creation of an API key, with its secret on standard output."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys.commands import CreateApiKey, PickUpSecret
from apikeys.models import Customer
from audit.domain import carry_out, check_name, errors_told, known_scopes, quoted


class Command(BaseCommand):
    """A command that writes only the secret to standard output, and all else to standard error."""

    help = "Issue an API key. Its secret goes to standard output, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--customer", metavar="NAME", help="The customer of the key.")
        parser.add_argument(
            "--owner", metavar="USERNAME", help="The user on whose behalf the key acts."
        )
        parser.add_argument("--name", help="The name of the key.")
        parser.add_argument(
            "--environment",
            choices=("live", "test"),
            default="live",
            help="The use of the key. Default: live.",
        )
        parser.add_argument(
            "--scope",
            action="append",
            metavar="SCOPE",
            help=f"A scope; repeat for each: {', '.join(sorted(known_scopes()))}. "
            "Default: read and write.",
        )
        parser.add_argument(
            "--network",
            action="append",
            default=[],
            metavar="CIDR",
            help="A network in CIDR notation from which the key works; repeat for each.",
        )
        parser.add_argument(
            "--expires",
            type=_time,
            metavar="TIME",
            help="The time at which the key expires, such as 2027-01-31T00:00:00Z.",
        )
        parser.add_argument(
            "--confirm-similar-name",
            action="store_true",
            help="Use the name although it is easily confused with that of another key.",
        )
        parser.add_argument(
            "--pick-up",
            type=UUID,
            metavar="ID",
            help="The id of an approved key whose secret to pick up; no other option is needed.",
        )
        parser.add_argument(
            "--reason", default="First set-up", help="The reason, for the audit log."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_told():
            pick_up = options["pick_up"]
            command = PickUpSecret(api_key_id=pick_up) if pick_up else _creation(options)
        completed = carry_out(command, reason=options["reason"])
        self.stderr.write(f"{completed.result}, {completed.result.pk}, has this secret:")
        self.stdout.write(completed.secret or "")


def _creation(options: dict[str, Any]) -> CreateApiKey:
    missing = [f"--{name}" for name in ("customer", "owner", "name") if not options[name]]
    if missing:
        raise CommandError(f"Missing: {', '.join(missing)}.")
    check_name(options["name"])
    return CreateApiKey(
        customer_id=_found(Customer, name=options["customer"]).pk,
        owner_id=_found(User, username=options["owner"]).pk,
        name=options["name"],
        environment=options["environment"],
        scopes=tuple(options["scope"] or ("read", "write")),
        allowed_networks=tuple(options["network"]),
        expires_at=options["expires"],
        confirm_similar_name=options["confirm_similar_name"],
    )


def _found(model: type[Any], **named: str) -> Any:
    found = model.objects.filter(**named).first()
    if found is None:
        raise CommandError(
            f"There is no {model._meta.verbose_name} {', '.join(map(quoted, named.values()))}."
        )
    return found


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.utcoffset() is None:
        raise ValueError(text)
    return time
