"""The two sides of the measurement: our bus, and handwritten SQL for the same rows."""

import os
from typing import Any

import psycopg
from django.contrib.auth.models import Permission, User
from django.db import connection
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from apikeys.commands import (
    AddMember,
    CreateApiKey,
    CreateCustomer,
    DisableApiKey,
    EnableApiKey,
)
from apikeys.models import ApiKey
from audit.actors.actors import Actor, actor_for_user
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.entry.shell import carry_out
from benchmarks.protocol import Traffic, traffic_of


def make_key(name: str) -> ApiKey:
    """Make a key to switch on and off, and whom it belongs to."""
    owner = User.objects.create_user(name)
    owner.user_permissions.set(Permission.objects.filter(content_type__app_label="apikeys"))
    customer: Any = carry_out(CreateCustomer(name=name), reason="for a benchmark")
    carry_out(AddMember(customer_id=customer.result.pk, user_id=owner.pk), reason="for a benchmark")
    command = CreateApiKey(customer_id=customer.result.pk, owner_id=owner.pk, name=name)
    made: Any = carry_out(command, reason="for a benchmark")
    result: ApiKey = made.result
    return result


class Dispatcher:
    """Sends enable and disable in turn through the bus, with every feature on."""

    def __init__(self, api_key: ApiKey) -> None:
        self.api_key, self.is_enabled = api_key, True
        owner = actor_for_user(api_key.owner)
        self.actor = Actor(
            kind="user",
            id=owner.id,
            label=owner.label,
            person_id=owner.person_id,
            tenants=frozenset({str(api_key.customer_id)}),
            permissions=owner.permissions,
        )

    def toggle(self) -> None:
        """Send the one that fits."""
        command_class = DisableApiKey if self.is_enabled else EnableApiKey
        context = Context(actor=self.actor, channel="benchmark", reason="To measure")
        dispatch(command_class(api_key_id=self.api_key.pk), context=context)
        self.is_enabled = not self.is_enabled

    def traffic(self) -> Traffic:
        """Count what one dispatch sends."""
        return traffic_of(self.toggle)


class BarePsycopg:
    """Writes the rows that the bus would write, statement by statement, all of them prepared."""

    def __init__(self, api_key: ApiKey) -> None:
        self.api_key, self.is_enabled = api_key, True
        params = {
            name: value
            for name, value in connection.get_connection_params().items()
            if name in ("dbname", "user", "password", "host", "port", "options")
        }
        self.raw = psycopg.connect(**params, prepare_threshold=0)

    def close(self) -> None:
        """Close the connection."""
        self.raw.close()

    def toggle(self) -> None:
        """Do by hand what a dispatch does."""
        self.is_enabled = not self.is_enabled
        command_id, key_id, run = uuid7(), self.api_key.pk, self.raw.execute
        run("SELECT set_config('audit.command_id', %s, true)", [str(command_id)])
        row = [
            Jsonb(v) if isinstance(v, dict) else v for v in run(_LOCK, [key_id]).fetchone() or ()
        ]
        run("UPDATE apikeys_apikey SET is_enabled = %s WHERE id = %s", [self.is_enabled, key_id])
        run(_HISTORY, [*row, self.is_enabled, command_id])
        head = run(_HEAD, [str(key_id)]).fetchone()
        name = "enable" if self.is_enabled else "disable"
        data = Jsonb({"api_key_id": str(key_id)})
        run(
            _EVENT,
            [command_id, f"apikeys.{name}d", data, str(key_id), command_id, uuid7(), *(head or ())],
        )
        run(
            _COMMAND, [command_id, f"apikeys.{name}", data, str(key_id), command_id, os.urandom(32)]
        )
        self.raw.commit()

    def traffic(self) -> Traffic:
        """Count what one turn sends."""
        return traffic_of(self.toggle, raw=self.raw)


_COLUMNS = """id, name, description, environment, prefix, scopes, allowed_networks, not_before,
    expires_at, metadata, created_at, deleted_at, customer_id, owner_id"""
_LOCK = f"SELECT {_COLUMNS} FROM apikeys_apikey WHERE id = %s FOR UPDATE"  # noqa: S608  # our own names
_HISTORY = f"""
    INSERT INTO apikeys_historicalapikey ({_COLUMNS},
        is_enabled, history_command_id, history_date, history_type, history_change_reason,
        history_actor_kind, history_actor_person, history_actor_label, history_user_id)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,
        now(), '~', 'To measure', 'user', '1', 'theirs', '')
"""  # noqa: S608  # as above
_HEAD = """
    INSERT INTO audit_streamhead AS present (subject_type, subject_id, number)
    VALUES ('api-key', %s, 1)
    ON CONFLICT (subject_type, subject_id) DO UPDATE SET number = present.number + 1
    RETURNING number
"""
_EVENT = """
    INSERT INTO audit_eventrecord (command_id, attempt, message_type, schema_version, data,
        subject_type, subject_id, tenant, correlation_id, id, number, occurred_at)
    VALUES (%s, 1, %s, 1, %s, 'api-key', %s, '', %s, %s, %s, now())
"""
_COMMAND = """
    INSERT INTO audit_commandrecord (command_id, attempt, message_type, schema_version, data,
        subject_type, subject_id, tenant, correlation_id, fingerprint, actor_kind, actor_id,
        actor_person, actor_label, channel, reason, request_id, traceparent, user_agent, status,
        error_code, error_message, result_type, result_id, received_at, duration_us, retries)
    VALUES (%s, 1, %s, 1, %s, 'api-key', %s, '', %s, %s, 'user', '1', '1', 'theirs', 'benchmark',
        'To measure', '', '', '', 'succeeded', '', '', '', '', now(), 1, 0)
"""
