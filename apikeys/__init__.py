"""API keys: the domain app that comes with Countersign.

- ``rest``: API keys over HTTP, versions 1 and 2, and verification for other services
- ``authentication``: bearer authentication, rate limits and last use
- ``models``: customers, keys, their secrets and what their fields may hold
"""
