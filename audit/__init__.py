"""The audit log: every command and its events, recorded in the transaction that executes it.

- ``templatetags``: the template tag and filter for times
- ``pages``: the auditors' pages, and admin base classes
- ``adoption``: views and admin pages of an existing project as commands
- ``webhooks``: endpoints of customers, and the signed deliveries of events to them
- ``evidence``: the transparency log of all records, its signed checkpoints, and proofs
- ``rest``: viewsets, errors, lists and the OpenAPI document for a REST API on the bus
- ``sessions``: signing in with limits, its records, and how long a session lasts
- ``entry``: contexts of commands from HTTP requests and the shell, and rate limits
- ``factors``: the second factor at sign-in: authenticator apps, recovery codes, who needs one
- ``tracking``: history rows, event folding and the database triggers
- ``reactions``: functions that are called for events, exactly once and in order
- ``bus``: dispatch of one command in one transaction
- ``log``: reading the records: search, feed, visibility and status
- ``subjects``: what messages are about: types, labels and tenants
- ``actors``: who acts, with which permissions and scopes
- ``messages``: commands, events, their values, outcomes and errors
- ``models``: the records
- ``wire``: how statements are sent to PostgreSQL
- ``installation``: installation in a project: the setting COUNTERSIGN

A domain app imports from five modules: ``audit.domain``, ``audit.rest``, ``audit.pages``,
``audit.adoption`` and ``audit.testing``.
"""
