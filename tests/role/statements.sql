-- Statements that must fail for the application's role, one in each line, inside a command.
-- The log cannot be shadowed.
CREATE TEMP TABLE audit_commandrecord (LIKE public.audit_commandrecord INCLUDING ALL)
CREATE TEMP TABLE audit_eventrecord (LIKE public.audit_eventrecord INCLUDING ALL)
CREATE TEMP TABLE audit_streamhead (LIKE public.audit_streamhead INCLUDING ALL)
CREATE TEMP TABLE anything (id integer)
CREATE TEMP VIEW audit_commandrecord AS SELECT 1
CREATE TEMP SEQUENCE audit_position
SELECT 1 AS id INTO TEMP anything
CREATE TABLE audit_shadow (id integer)
CREATE TABLE pg_temp.audit_commandrecord (id integer)
CREATE UNLOGGED TABLE anything AS SELECT 1
CREATE VIEW anything AS SELECT 1
CREATE MATERIALIZED VIEW anything AS SELECT 1
CREATE SCHEMA shadow
CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql RETURN pg_catalog.now()
CREATE FUNCTION now() RETURNS timestamptz LANGUAGE sql RETURN pg_catalog.now()
CREATE TYPE anything AS (id integer)
CREATE DOMAIN anything AS integer
CREATE OPERATOR = (FUNCTION = int4eq, LEFTARG = int4, RIGHTARG = int4)
CREATE COLLATION anything FROM "C"
CREATE AGGREGATE max(integer) (SFUNC = int4larger, STYPE = integer)
CREATE EXTENSION pg_trgm
CREATE PUBLICATION everything FOR ALL TABLES
CREATE EVENT TRIGGER anything ON ddl_command_start EXECUTE FUNCTION audit_refuse_change()
CREATE FOREIGN DATA WRAPPER anything
CREATE LANGUAGE anything
CREATE DATABASE anything
CREATE TABLESPACE anything LOCATION '/tmp'
-- Triggers, rules and functions stay as they are.
CREATE TRIGGER anything BEFORE INSERT ON audit_commandrecord FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
CREATE RULE anything AS ON INSERT TO audit_commandrecord DO INSTEAD NOTHING
CREATE POLICY anything ON audit_commandrecord
DROP TRIGGER audit_append_only ON audit_commandrecord
DROP TRIGGER audit_number_exists ON audit_eventrecord
DROP TRIGGER audit_number_grows ON audit_streamhead
DROP FUNCTION audit_refuse_change() CASCADE
CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'
ALTER FUNCTION audit_refuse_change() OWNER TO CURRENT_USER
ALTER TABLE audit_commandrecord DISABLE TRIGGER ALL
ALTER TABLE audit_streamhead DISABLE TRIGGER audit_number_grows
ALTER TABLE audit_commandrecord OWNER TO CURRENT_USER
ALTER TABLE audit_commandrecord DROP CONSTRAINT audit_command_time
ALTER TABLE audit_commandrecord ADD COLUMN anything integer
ALTER TABLE audit_commandrecord RENAME TO anything
ALTER TABLE audit_commandrecord ENABLE ROW LEVEL SECURITY
ALTER TABLE audit_commandrecord SET (autovacuum_enabled = off)
ALTER TABLE audit_commandrecord ALTER COLUMN reason SET DEFAULT 'x'
ALTER SEQUENCE audit_position RESTART
DROP TABLE audit_commandrecord
DROP SEQUENCE audit_position CASCADE
CREATE INDEX anything ON audit_commandrecord (position)
DROP INDEX audit_command_log_order
REINDEX TABLE audit_commandrecord
CLUSTER audit_commandrecord USING audit_command_time
COMMENT ON TABLE audit_commandrecord IS 'x'
SECURITY LABEL ON TABLE audit_commandrecord IS 'x'
-- Nor do roles, privileges and settings of the server.
SET session_replication_role = replica
SET SESSION AUTHORIZATION DEFAULT; SET ROLE pg_write_all_data
SET ROLE pg_write_all_data
SET ROLE countersign_owner
CREATE ROLE anything
ALTER ROLE CURRENT_USER SUPERUSER
ALTER ROLE CURRENT_USER CREATEROLE
ALTER ROLE CURRENT_USER BYPASSRLS
ALTER ROLE CURRENT_USER SET session_replication_role = replica
ALTER ROLE countersign_owner PASSWORD 'x'
ALTER ROLE ALL SET search_path = pg_temp
ALTER DATABASE template1 SET search_path = pg_temp
DROP ROLE countersign_owner
DROP OWNED BY countersign_owner
REASSIGN OWNED BY countersign_owner TO CURRENT_USER
GRANT pg_write_all_data TO CURRENT_USER
GRANT countersign_owner TO CURRENT_USER
ALTER DEFAULT PRIVILEGES FOR ROLE countersign_owner GRANT ALL ON TABLES TO CURRENT_USER
ALTER SYSTEM SET fsync = off
SELECT pg_reload_conf()
SELECT pg_read_file('PG_VERSION')
SELECT pg_ls_dir('.')
SELECT lo_import('/etc/passwd')
SELECT pg_switch_wal()
SELECT pg_create_restore_point('x')
SELECT pg_stat_reset()
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'countersign_owner' OR usename IS NULL
COPY (SELECT 1) TO PROGRAM 'true'
COPY (SELECT 1) TO '/tmp/anything'
COPY audit_commandrecord FROM PROGRAM 'true'
COPY audit_commandrecord FROM '/dev/null'
LOAD 'auto_explain'
CHECKPOINT
-- Sequences and the numbers of rows are the database's.
SELECT setval('audit_position', 1)
SELECT setval('audit_position', 9223372036854775807)
INSERT INTO audit_commandrecord SELECT * FROM audit_commandrecord
INSERT INTO audit_commandrecord (position) VALUES (9223372036854775807)
INSERT INTO audit_commandrecord (xid) VALUES ('18446744073709551615')
INSERT INTO audit_eventrecord (position) VALUES (-1)
INSERT INTO audit_eventrecord (xid) VALUES ('1')
INSERT INTO apikeys_historicalapikey (history_id) VALUES (1)
INSERT INTO approvals_historicalpolicy (history_id) VALUES (1)
-- Streams only move forward, and only by a command.
DELETE FROM audit_streamhead
TRUNCATE audit_streamhead
UPDATE audit_streamhead SET number = number - 1
UPDATE audit_streamhead SET number = 0
UPDATE audit_streamhead SET number = number
UPDATE audit_streamhead SET number = 9223372036854775807
UPDATE audit_streamhead SET number = number + 1000001
UPDATE audit_streamhead SET subject_id = 'x'
INSERT INTO audit_streamhead VALUES ('api-key', 'x', 9223372036854775807)
INSERT INTO audit_streamhead VALUES ('api-key', 'x', 0)
INSERT INTO audit_streamhead VALUES ('api-key', 'x', -1)
INSERT INTO audit_streamhead SELECT subject_type, subject_id, 9223372036854775807 FROM audit_streamhead ON CONFLICT (subject_type, subject_id) DO UPDATE SET number = excluded.number
SELECT set_config('audit.command_id', '', true); UPDATE audit_streamhead SET number = number + 1
SELECT set_config('audit.command_id', '', true); INSERT INTO audit_streamhead VALUES ('api-key', 'x', 1)
INSERT INTO audit_eventrecord (epoch, command_id, attempt, message_type, schema_version, data, subject_type, subject_id, tenant, correlation_id, id, number, occurred_at) SELECT epoch, command_id, attempt, message_type, schema_version, data, subject_type, subject_id, tenant, correlation_id, gen_random_uuid(), number + 1000, occurred_at FROM audit_eventrecord
INSERT INTO audit_eventrecord (epoch, command_id, attempt, message_type, schema_version, data, subject_type, subject_id, tenant, correlation_id, id, number, occurred_at) SELECT epoch, command_id, attempt, message_type, schema_version, data, subject_type, 'x', tenant, correlation_id, gen_random_uuid(), 1, occurred_at FROM audit_eventrecord
INSERT INTO audit_epoch (number, began_at, server) VALUES (2147483647, now(), '')
INSERT INTO audit_epoch (number, began_at, server) SELECT max(number), now(), '' FROM audit_epoch
INSERT INTO audit_epoch (number, began_at, server) VALUES (0, now(), '')
INSERT INTO audit_epoch (number, began_at, server) VALUES (-1, now(), '')
INSERT INTO audit_commandrecord (oldest_xid) VALUES ('1')
-- Permissions are rows that only migrations write.
INSERT INTO auth_permission SELECT 0, 'x', 1, 'x'
UPDATE auth_permission SET codename = 'x'
DELETE FROM auth_permission
DELETE FROM django_content_type
DELETE FROM django_migrations
INSERT INTO django_migrations (app, name, applied) VALUES ('audit', 'x', now())
-- The right to write the transparency log is not transferred, and counters of passkeys only grow.
UPDATE audit_logwriter SET digest = digest
TRUNCATE audit_logwriter
DROP TRIGGER audit_log_writer ON audit_leaf
ALTER TABLE audit_publication DISABLE TRIGGER audit_log_writer
CREATE OR REPLACE FUNCTION audit_require_log_writer() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'
SELECT audit_wait_for_writers()
DELETE FROM approvals_passkeycounter
TRUNCATE approvals_passkeycounter
DROP TRIGGER audit_counter_grows ON approvals_passkeycounter
