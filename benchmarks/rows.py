"""The rows of a made log, in SQL: what the record with a number is follows from the number.

Of each 64 records three are one case: a command that is held, its second attempt and the vote
that released it; the newest in two hundred still wait. The other records are one command each, from
5,000 actors of some customers, about 2,500 keys of each customer; most of each come from few.

A short log is a young one, of fewer days, actors and keys, so that a key, an hour and the last
month fill a page of it as they do of a long one; and it has as many that wait as fill a page.
"""

#: Commands with their events, channels and shares of the log.
KINDS = (
    ("apikeys.enable", "apikeys.enabled", "v2", 0.25),
    ("apikeys.disable", "apikeys.disabled", "v2", 0.2),
    ("apikeys.update", "apikeys.updated", "v2", 0.2),
    ("apikeys.enable", "apikeys.enabled", "v1", 0.15),
    ("apikeys.disable", "apikeys.disabled", "v1", 0.1),
    ("apikeys.update", "apikeys.updated", "admin", 0.05),
    ("apikeys.rotate", "apikeys.rotated", "v2", 0.02),
    ("apikeys.pick_up", "apikeys.picked_up", "v2", 0.02),
    ("apikeys.rotate", "apikeys.rotated", "admin", 0.005),
    ("apikeys.delete", "apikeys.deleted", "admin", 0.004),
    ("apikeys.delete", "apikeys.deleted", "v2", 0.001),
    ("audit.change_outside_command", "audit.changed_outside_command", "outside", 0.000005),
)

TABLES = """
    CREATE FUNCTION made_chance(number bigint, about int) RETURNS float8 LANGUAGE sql IMMUTABLE
        RETURN (hashint8extended(number, about) & 1048575) / 1048576.0::float8;

    -- Sequential in their beginning, as UUIDv7 is.
    CREATE FUNCTION made_id(number bigint, what int) RETURNS uuid LANGUAGE sql IMMUTABLE
        RETURN (lpad(to_hex(1700000000000 + number), 12, '0') || '7' || lpad(to_hex(what), 3, '0')
            || '8' || substr(md5(number::text), 1, 15))::uuid;

    CREATE TABLE made_kind AS SELECT row_number() OVER () AS n, * FROM unnest(
        %(types)s::text[], %(events)s::text[], %(channels)s::text[]
    ) AS kind (message_type, event_type, channel);

    CREATE TABLE made_word AS SELECT n, coalesce((ARRAY['rotation', 'leaked', 'customer', 'asked',
        'incident', 'cleanup', 'expired', 'contract', 'partner', 'offboarding', 'test'])[n + 1],
        'word' || n) AS word FROM generate_series(0, 19999) AS n;

    -- Each sixteenth is a person, and those behind it are the person's keys.
    CREATE TABLE made_actor AS SELECT n,
        CASE n %% 16 WHEN 0 THEN 'user' ELSE 'api_key' END AS kind,
        CASE n %% 16 WHEN 0 THEN (100000 + n)::text ELSE made_id(n, 9)::text END AS id,
        (100000 + n / 16 * 16)::text AS person,
        'person' || n / 16
            || CASE n %% 16 WHEN 0 THEN '' ELSE ', with key “ci-' || n || '” (cs_live_…)' END
            AS label,
        CASE n / 16 WHEN 0 THEN 0 ELSE floor(
            cardinality(%(customers)s::text[]) * power(made_chance(n / 16, 1), 3)
        )::int END AS customer
    FROM generate_series(0, %(actors)s - 1) AS n;
    ALTER TABLE made_actor ADD tenant text;
    UPDATE made_actor SET tenant = (%(customers)s::text[])[customer + 1];
    ANALYZE made_kind, made_word, made_actor
"""

COMMANDS = """
    INSERT INTO audit_commandrecord (
        position, command_id, attempt, message_type, schema_version, data, subject_type,
        subject_id, tenant, correlation_id, causation_id, fingerprint, actor_kind, actor_id,
        actor_person, actor_label, channel, reason, request_id, traceparent, client_address,
        user_agent, status, error_code, error_message, result_type, result_id, received_at,
        duration_us, retries
    )
    WITH numbered AS (
        SELECT number, %(days)s::float8 * number / %(total)s AS day, number %% 64 = 0 AS is_held,
            CASE WHEN number %% 64 < 3 AND number < %(waiting)s THEN number %% 64 ELSE -1 END
                AS part
        FROM generate_series(%(first)s::bigint, %(last)s) AS number
    ),
    chosen AS (
        SELECT *, CASE WHEN part > 0 THEN number - part ELSE number END AS case_number,
            CASE WHEN is_held OR part > 0 THEN 2
                ELSE width_bucket(made_chance(number, 3), %(thresholds)s::float8[]) END AS kind,
            made_chance(number, 4) AS fate
        FROM numbered
    ),
    subjects AS (
        SELECT chosen.*, actor.tenant, actor.n AS actor,
            md5(
                actor.customer || '-' || floor(%(keys)s * power(made_chance(case_number, 5), 2))
            )::uuid::text AS api_key
        FROM chosen JOIN made_actor AS actor
            ON actor.n = floor(%(actors)s * power(made_chance(case_number, 2), 3))::int
    )
    SELECT %(behind)s + number * 2, made_id(CASE part WHEN 1 THEN case_number ELSE number END, 0),
        CASE part WHEN 1 THEN 2 ELSE 1 END,
        CASE part WHEN 2 THEN 'approvals.approve' ELSE kind.message_type END, 1,
        CASE part WHEN 2 THEN jsonb_build_object('approval_request_id', made_id(case_number, 1))
            ELSE jsonb_build_object('api_key_id', api_key) END,
        CASE part WHEN 2 THEN 'approval-request' ELSE 'api-key' END,
        CASE part WHEN 2 THEN made_id(case_number, 1)::text ELSE api_key END,
        subjects.tenant, made_id(case_number, 0), CASE part WHEN 1 THEN made_id(number + 1, 0) END,
        sha256(number::text::bytea), actor.kind, actor.id, actor.person, actor.label, kind.channel,
        CASE WHEN made_chance(number, 6) < 0.3
            THEN concat_ws(' ', one.word, two.word, three.word, 'OPS-' || number / 20)
            ELSE '' END,
        md5(number::text), '',
        -- Half of them come from one address.
        '10.0.0.1'::inet + CASE WHEN made_chance(number, 10) < 0.5 THEN 0 ELSE subjects.actor END,
        'curl/8.5',
        CASE WHEN is_held THEN 'postponed' WHEN part > 0 OR fate < 0.95 THEN 'succeeded'
            WHEN fate < 0.99 THEN 'refused' WHEN fate < 0.997 THEN 'failed' ELSE 'cancelled' END,
        CASE WHEN is_held OR part > 0 OR fate < 0.95 THEN '' ELSE 'conflict' END, '', '', '',
        -- Five times as many by day as by night.
        %(began)s + make_interval(secs => 86400 * (day + 0.8 / 2 / pi() * sin(2 * pi() * day))),
        2000 + (4000 * fate)::int, 0
    FROM subjects JOIN made_kind AS kind ON kind.n = subjects.kind
    -- Whoever votes is a person.
    JOIN made_actor AS actor ON actor.n = CASE part
        WHEN 2 THEN number %% least(300, %(actors)s / 16) * 16
        ELSE floor(%(actors)s * power(made_chance(case_number, 2), 3))::int END
    JOIN made_word AS one ON one.n = floor(20000 * power(made_chance(number, 7), 6))::int
    JOIN made_word AS two ON two.n = floor(20000 * power(made_chance(number, 8), 3))::int
    JOIN made_word AS three ON three.n = floor(20000 * made_chance(number, 9))::int
    ORDER BY number
"""

EVENTS = """
    INSERT INTO audit_eventrecord (
        position, command_id, attempt, message_type, schema_version, data, subject_type,
        subject_id, tenant, correlation_id, causation_id, id, number, occurred_at
    )
    SELECT position + 1, command_id, attempt, coalesce(
            (SELECT event_type FROM made_kind AS kind
                WHERE kind.message_type = command.message_type LIMIT 1), 'approvals.approved'
        ), 1, data, subject_type, subject_id, tenant, correlation_id, command_id,
        made_id(position, 2), position, received_at + make_interval(secs => 0.002)
    FROM audit_commandrecord AS command
    WHERE position BETWEEN %(behind)s + 2 * %(first)s AND %(behind)s + 2 * %(last)s
        AND status = 'succeeded'
    ORDER BY position
"""

MOVE_ON = "SELECT setval('audit_position', max(position) + 2) FROM audit_commandrecord"

SMALLEST = """
    SELECT tenant FROM audit_commandrecord WHERE tenant <> ''
    GROUP BY tenant HAVING count(*) > %s ORDER BY count(*), tenant LIMIT 1
"""

SIZE = "SELECT pg_size_pretty(pg_database_size(current_database()))"
