"""Creation of a customer with its members."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apikeys.commands import AddMember, CreateCustomer
from audit.domain import carry_all_out, quoted


class Command(BaseCommand):
    """The first step after an installation; ``issue_key`` then creates the key."""

    help = "Create a customer and its members."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="The customer's name.")
        parser.add_argument(
            "--member",
            action="append",
            default=[],
            metavar="USERNAME",
            help="The user name of a member; repeat for each.",
        )
        parser.add_argument(
            "--confirm-similar-name",
            action="store_true",
            help="Use the name although it is easily confused with that of another customer.",
        )
        parser.add_argument(
            "--reason", default="First set-up", help="The reason, for the audit log."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Dispatch the commands as the system, in one transaction."""
        create = CreateCustomer(
            name=options["name"], confirm_similar_name=options["confirm_similar_name"]
        )
        commands = [create, *_joining(create, options["member"])]
        carry_all_out(commands, reason=options["reason"])
        self.stderr.write(f"Created the customer {quoted(create.name)}:")
        self.stdout.write(str(create.customer_id))


def _joining(customer: CreateCustomer, usernames: list[str]) -> list[AddMember]:
    people = dict(User.objects.filter(username__in=usernames).values_list("username", "pk"))
    unknown = sorted(set(usernames) - set(people))
    if unknown:
        raise CommandError(f"There is no user named {', '.join(map(quoted, unknown))}.")
    return [
        AddMember(customer_id=customer.customer_id, user_id=people[username])
        for username in dict.fromkeys(usernames)
    ]
