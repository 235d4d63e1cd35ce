-- Statements of the application's role on a log, which need the secret of LOG_KEYS, one in each line.
-- The leaf that comes next, and the one of a record to come.
INSERT INTO audit_leaf (log, "index", kind, hash) SELECT 1, max(size), 3, '\x0000000000000000000000000000000000000000000000000000000000000000' FROM audit_signedcheckpoint
INSERT INTO audit_leaf (log, "index", kind, position, salt, hash) VALUES (9, 0, 1, 1000000, '\x00000000000000000000000000000000', '\x0000000000000000000000000000000000000000000000000000000000000000')
INSERT INTO audit_treenode (log, level, "index", hash) VALUES (1, 1, 0, '\x0000000000000000000000000000000000000000000000000000000000000000')
INSERT INTO audit_signedcheckpoint (log, size, root, note, epoch, xid, position, signed_at) SELECT log, size + 1, root, note, epoch, xid, position, signed_at FROM audit_signedcheckpoint
INSERT INTO audit_logkey (log, "index", verifier_key, begins, at) VALUES (1, 9, 'x', true, now())
INSERT INTO audit_transparencylog (number, origin, began_at) VALUES (7, 'x', now())
-- An acceptance that is earlier than a vote.
INSERT INTO audit_publication (log, size, destination, attempted_at, accepted_at, answer, cosignature) VALUES (1, 2, 'x', '2020-01-01', '2020-01-01', '', '')
-- Nor does the role register a secret of its own.
INSERT INTO audit_logwriter VALUES ('\x0000000000000000000000000000000000000000000000000000000000000000')
INSERT INTO audit_logwriter SELECT sha256(digest) FROM audit_logwriter
DELETE FROM audit_logwriter
