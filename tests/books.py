"""Consistency checks of the database that must hold after every command."""

from typing import Any

from django.db import connection

from audit.models.records import CommandRecord, EventRecord

# Each query finds rows that must not exist.
_ERRORS = {
    "events without the record of a command that took effect": """
        SELECT command_id, message_type FROM audit_eventrecord AS event WHERE NOT EXISTS (
            SELECT FROM audit_commandrecord AS command
            WHERE command.command_id = event.command_id AND command.attempt = event.attempt
                AND status IN ('succeeded', 'postponed'))
    """,
    "commands that took effect without an event": """
        SELECT command_id, message_type FROM audit_commandrecord AS command
        WHERE status = 'succeeded' AND message_type ~ '^(apikeys|approvals|tests)[.]'
            AND NOT EXISTS (SELECT FROM audit_eventrecord AS event
                WHERE command.command_id = event.command_id AND command.attempt = event.attempt)
    """,
    "streams with a gap, or with another number than their head": """
        SELECT subject_type, subject_id FROM audit_eventrecord
        LEFT JOIN audit_streamhead AS head USING (subject_type, subject_id)
        GROUP BY subject_type, subject_id, head.number
        HAVING (min(audit_eventrecord.number), max(audit_eventrecord.number))
            IS DISTINCT FROM (1::bigint, count(*)) OR head.number IS DISTINCT FROM count(*)
    """,
    "heads without events": """
        SELECT subject_type, subject_id FROM audit_streamhead AS head WHERE NOT EXISTS (
            SELECT FROM audit_eventrecord AS event WHERE
            (event.subject_type, event.subject_id) = (head.subject_type, head.subject_id))
    """,
    "history of commands that took no effect": """
        SELECT history_command_id FROM (
            SELECT history_command_id FROM apikeys_historicalapikey
            UNION ALL SELECT history_command_id FROM apikeys_historicalcustomer
            UNION ALL SELECT history_command_id FROM apikeys_historicalapikeysecret
            UNION ALL SELECT history_command_id FROM apikeys_historicalpickup
            UNION ALL SELECT history_command_id FROM approvals_historicalapprovalrequest
        ) AS history WHERE NOT EXISTS (SELECT FROM audit_commandrecord AS command
            WHERE command.command_id = history_command_id AND status IN ('succeeded', 'postponed'))
    """,
    "changes of keys without history": """
        SELECT command_id, message_type FROM audit_commandrecord WHERE status = 'succeeded'
            AND message_type IN ('apikeys.create', 'apikeys.update', 'apikeys.enable',
                'apikeys.disable', 'apikeys.pick_up', 'apikeys.delete')
            AND command_id NOT IN (SELECT history_command_id FROM apikeys_historicalapikey)
    """,
    "keys that are not as their last history row says": """
        SELECT id, is_enabled FROM apikeys_apikey AS present WHERE is_enabled IS DISTINCT FROM (
            SELECT is_enabled FROM apikeys_historicalapikey AS past
            WHERE past.id = present.id ORDER BY history_id DESC LIMIT 1)
    """,
    "keys that are not as their last event says": """
        SELECT id, is_enabled FROM apikeys_apikey AS present WHERE is_enabled IS DISTINCT FROM (
            SELECT message_type IN ('apikeys.created', 'apikeys.enabled')
            FROM audit_eventrecord AS event
            WHERE subject_type = 'api-key' AND subject_id = present.id::text
                AND message_type IN ('apikeys.created', 'apikeys.enabled', 'apikeys.disabled',
                    'apikeys.deleted')
            ORDER BY number DESC LIMIT 1)
    """,
    "keys with more secrets that work than two, or with any after their deletion": """
        SELECT api_key.id, count(*) FROM apikeys_apikey AS api_key
        JOIN apikeys_apikeysecret AS secret ON secret.api_key_id = api_key.id
            AND (not_after IS NULL OR not_after > now())
        GROUP BY api_key.id
        HAVING count(*) > 2 OR api_key.deleted_at IS NOT NULL
    """,
}
_CHANGED_BY_COMMANDS = (
    "apikeys_apikey",
    "apikeys_apikeysecret",
    "apikeys_pickup",
    "apikeys_historicalapikey",
    "approvals_approvalrequest",
    "approvals_vote",
    "audit_eventrecord",
    "audit_streamhead",
)


def assert_balanced() -> None:
    """Assert that domain rows, history, records and events agree."""
    found = {what: rows for what, sql in _ERRORS.items() if (rows := _rows(sql))}
    assert not found, found


def all_but_records() -> dict[str, Any]:
    """Return the rows that a command may change, for comparison before and after."""
    return {
        table: sorted(map(repr, _rows(f"SELECT * FROM {table}"))) for table in _CHANGED_BY_COMMANDS
    }


def attempts(command_id: Any) -> list[tuple[int, str, str]]:
    """Return the number, status and error code of each attempt at a command."""
    records = CommandRecord.objects.filter(command_id=command_id).order_by("attempt")
    return list(records.values_list("attempt", "status", "error_code"))


def numbers(subject_id: Any) -> list[int]:
    """Return the numbers of a subject's events, in order."""
    events = EventRecord.objects.filter(subject_id=str(subject_id)).order_by("number")
    return list(events.values_list("number", flat=True))


def _rows(sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())
