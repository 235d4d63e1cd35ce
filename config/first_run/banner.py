"""The banner of `manage.py start`: the URL, the logins, and the example as four commands."""

from typing import TypedDict

_TEXT = """
Countersign is running at {base_url}

  Open     {base_url}/                the home page
           {base_url}/requests/       your own requests, for everyone with an account
           {base_url}/admin/          API keys, approval requests, history
           {base_url}/audit/          every command, for auditors

{logins}
{mail_line}
  Or run the example from a second terminal:

    KEY='{api_key}'

    # 1. Create a key. Its secret is in the response, once.
    CREATED=$(curl -s {base_url}/api/v1/api-keys -H "Authorization: Bearer $KEY" \\
      -H 'Content-Type: application/json' -d '{{"name": "ci"}}'); echo "$CREATED"

    # 2. Call the API with it.
    curl -s {base_url}/api/v2/whoami \\
      -H "Authorization: Bearer $(echo "$CREATED" | {secret_of})"; echo

    # 3. Disable it. The policy requires two approvals, so the response is 202.
    HELD=$(curl -si -X POST -H "Authorization: Bearer $KEY" \\
      {base_url}/api/v1/api-keys/$(echo "$CREATED" | {id_of})/disable); echo "$HELD"

    # 4. Read its status: now, and again once ann and bob have approved in the admin.
    curl -s -H "Authorization: Bearer $KEY" \\
      {base_url}/api/v2/commands/$(echo "$HELD" | {command_id_of}); echo

Ctrl-C stops everything.
"""
_SED = {
    "secret_of": """sed -n 's/.*"secret": *"\\([^"]*\\)".*/\\1/p'""",
    "id_of": """sed -n 's/.*"id": *"\\([^"]*\\)".*/\\1/p'""",
    "command_id_of": """sed -n 's/^[Cc]ommand-[Ii]d: *\\([-0-9a-f]*\\).*/\\1/p'""",
}
_ROLES = {
    "dana": "a requester: sees her requests, and uses the API with the key below",
    "ann": "an approver and policy owner",
    "bob": "an approver and policy owner",
    "iris": "an auditor",
    "olga": "a third policy owner",
}


class Demo(TypedDict):
    """The contents of demo.json, which the demo command writes."""

    base_url: str
    users: dict[str, dict[str, str]]
    api_key: str


def banner(demo: Demo, *, mail: str) -> str:
    """Return the banner, with the directory of e-mails, which is empty if a server sends them."""
    mail_line = f"\n  E-mails  are written to files in {mail}\n" if mail else ""
    logins = "\n".join(_login_lines(demo))
    return _TEXT.format(**demo, logins=logins, mail_line=mail_line, **_SED)


def _login_lines(demo: Demo) -> list[str]:
    return [
        f"  {'Sign in' if not place else '       '}  {login['username']:<6} "
        f"{login['password']:<24} {_ROLES.get(name, '')}".rstrip()
        for place, (name, login) in enumerate(demo["users"].items())
    ]
