"""The deliveries of each event: one for each endpoint that wants it."""

from uuid import UUID

from django.db import connection

from audit.webhooks.events import TestEventSent

#: An SQL condition: true if an endpoint gets an event. A test event goes to its own endpoint only.
MATCHES = f"""(
    CASE WHEN event.message_type = '{TestEventSent.message_type}'
        THEN event.subject_id = endpoint.id::text
        ELSE endpoint.tenant IN ('*', event.tenant) AND endpoint.event_types && (
            SELECT array_agg(array_to_string(words[:length], '.')
                || CASE WHEN length < cardinality(words) THEN '.*' ELSE '' END) || ARRAY['*']
            FROM (SELECT string_to_array(event.message_type, '.') AS words) AS type
            CROSS JOIN LATERAL generate_series(1, cardinality(words)) AS length
        )
    END)"""  # noqa: S608  # of our own
_INSERT = f"""
    INSERT INTO audit_webhookdelivery (endpoint_id, event_id)
    SELECT endpoint.id, event.id
    FROM audit_webhookendpoint AS endpoint JOIN audit_eventrecord AS event ON {MATCHES}
    WHERE event.id = %s AND endpoint.is_enabled AND endpoint.secret IS NOT NULL
    ON CONFLICT DO NOTHING
"""  # noqa: S608  # of our own


def fan_out(event_id: UUID) -> None:
    """Insert a delivery of an event for each endpoint that wants it, once."""
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [event_id])
