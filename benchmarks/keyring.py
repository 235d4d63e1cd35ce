"""As many API keys as a measurement needs, copied from one that a command made."""

import os
import sys
import time
from typing import Any

from django.contrib.auth.models import Permission, User
from django.db import connection

from apikeys.commands import AddMember, CreateApiKey, CreateCustomer
from apikeys.models.tokens import Token
from audit.entry.shell import carry_out
from audit.outside import outside_command

_BATCH = 20_000

# Copies whatever columns the tables have, so it goes on working when they get more.
_COPY = """
    WITH digests AS (
        SELECT digest, gen_random_uuid() AS key_id FROM unnest(%(digests)s::bytea[]) AS digest
    ), keys AS (
        INSERT INTO apikeys_apikey
        SELECT copy.* FROM digests
        JOIN apikeys_apikey AS model ON model.id = %(model)s
        CROSS JOIN LATERAL jsonb_populate_record(
            model, jsonb_build_object('id', digests.key_id)) AS copy
    ), uses AS (
        INSERT INTO apikeys_apikeyusage (api_key_id, last_used_at, last_used_from)
        SELECT key_id, now(), '192.0.2.1' FROM digests
    )
    INSERT INTO apikeys_apikeysecret
    SELECT copy.* FROM digests
    JOIN apikeys_apikeysecret AS model ON model.api_key_id = %(model)s
    CROSS JOIN LATERAL jsonb_populate_record(model, jsonb_build_object(
        'id', gen_random_uuid(), 'api_key_id', digests.key_id,
        'digest', digests.digest::text)) AS copy
"""


class Keyring:
    """The keys of one customer, a number of which have secrets that are known."""

    def __init__(self, name: str, *, known: int) -> None:
        owner = User.objects.create_user(name)
        permissions = Permission.objects.filter(content_type__app_label="apikeys")
        owner.user_permissions.set(permissions)
        customer: Any = carry_out(CreateCustomer(name=name), reason="for a benchmark")
        self.customer_id = customer.result.pk
        carry_out(
            AddMember(customer_id=self.customer_id, user_id=owner.pk), reason="for a benchmark"
        )
        made: Any = carry_out(
            CreateApiKey(customer_id=self.customer_id, owner_id=owner.pk, name=name),
            reason="for a benchmark",
        )
        self.model_id = made.result.pk
        tokens = [Token.generate() for _ in range(known)]
        self.secrets = [token.text for token in tokens]
        self._copy([token.digest for token in tokens])

    def fill(self, count: int) -> None:
        """Make keys with unknown secrets, up to N in all."""
        missing = count - len(self.secrets) - 1
        started = time.monotonic()
        for first in range(0, missing, _BATCH):
            size = min(_BATCH, missing - first)
            self._copy([os.urandom(32) for _ in range(size)])
            left = (time.monotonic() - started) / (first + size) * (missing - first - size)
            if sys.stderr.isatty():
                sys.stderr.write(f"\rkeys: {first + size}/{missing}, about {left:.0f} s left ")
        sys.stderr.write(f"\rkeys: {count} in {time.monotonic() - started:.0f} s\n")

    def _copy(self, digests: list[bytes]) -> None:
        with outside_command("Keys to measure with"), connection.cursor() as cursor:
            cursor.execute(_COPY, {"digests": digests, "model": self.model_id})
