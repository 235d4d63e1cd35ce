"""Approvals: commands that are held until enough people approve them.

- ``admin``: approval requests, policies and people in the Django admin
- ``pages``: what the admin shows: the inbox, a request, a policy
- ``rest``: approval requests and policies over HTTP
- ``case_files``: what an auditor reads and takes away of requests and their votes
- ``reports``: who could approve what, at a time or in a period
- ``decisions``: holding a command, votes, execution, break-glass and evidence
- ``requests``: open requests: lists, eligible approvers, warnings and staleness
- ``policies``: which policies govern a command, and whether a request meets them
- ``delegations``: the right to vote in the place of another person, for a period
- ``passkeys``: keys of people, with which they sign votes
- ``models``: policies, requests, votes and delegations
- ``people``: accounts and groups, changed by commands
- ``sealing``: signed payloads and evidence files
"""
