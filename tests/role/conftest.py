"""A row in every table, and reading as one who may see all."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.utils import timezone

from apikeys.commands import DisableApiKey, RotateApiKey, UpdateApiKey
from apikeys.models.secrets import PickUp
from apikeys.models.usage import ApiKeyUsage
from approvals.models import Policy
from audit.entry import rate_limits
from audit.entry.rate_limits import Limit
from audit.evidence.models import (
    Leaf,
    LogKey,
    Publication,
    SignedCheckpoint,
    TransparencyLog,
    TreeNode,
)
from audit.factors.models import Authenticator, RecoveryCode
from audit.models.records import CommandRecord, EventRecord
from audit.models.subscriptions import Checkpoint, Setback
from audit.outside import outside_command
from tests.approvals import authenticators
from tests.approvals.delegating import delegated
from tests.conftest import approved, completed, create_key, held, new_approver
from tests.notes.models import Note
from tests.processes import take_steps
from tests.webhooks import create_delivery, create_endpoint


@pytest.fixture
def root(acme, security):
    """A superuser who is an approver, too: sees every row, and is asked for votes."""
    person = User.objects.create_superuser("root", password="x")
    person.groups.add(security)
    return person


@pytest.fixture
def reading(root, browser, settings):
    """A function that reads an address and what follows it; returns the failures."""
    # Malformed rows cannot conform to the OpenAPI document.
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "conformance" not in each]
    client = browser(root)

    def read(address, **data):
        failures, seen = [], set()
        while address and address not in seen and len(seen) < 5:
            seen.add(address)
            failure, answer = attempt(client, address, data)
            failures += failure
            address = _following(answer, address)
        return failures

    return read


def attempt(client, address, data):
    try:
        answer = client.post(address, data) if data else client.get(address)
        content = b"".join(answer) if answer.streaming else answer.content
    except Exception as error:  # noqa: BLE001  # whatever a reader raises would be a 500
        return [f"{address[:200]}: {type(error).__name__}: {str(error)[:200]}"], None
    return ([f"{address}: {answer.status_code}"] if answer.status_code >= 500 else []), (
        answer,
        content,
    )


def _following(found, address):
    """The address of the next page of a list."""
    if found is None:
        return None
    answer, content = found
    if answer.headers.get("Content-Type") == "application/json":
        body = answer.json()
        return body.get("next") if isinstance(body, dict) else None
    older = re.search(rb'href="(\?[^"]*(?:before|p)=[^"]*)" rel="next"', content)
    return (
        f"{address.partition('?')[0]}{older[1].decode().replace('&amp;', '&')}" if older else None
    )


@pytest.fixture
def rows(
    first_key, disabling_needs_two, dana, ann, iris, root, context_of, policy_owners, configure
):
    """A row in every table that tests can fill with commands."""
    second = create_key(dana, first_key.row.customer, name="second")
    reason = {"reason": "Because"}
    completed(
        UpdateApiKey(api_key_id=first_key.id, description="new"), context=context_of(dana, **reason)
    )
    request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana, **reason))
    held(DisableApiKey(api_key_id=second.id), context=context_of(dana, **reason))
    approved(request, ann)
    delegated(ann, new_approver("deb", first_key.row.customer, groups=[]), groups=ann.groups.all())
    configure(BASE_URL=authenticators.ORIGIN)
    authenticators.registered(root, authenticators.Authenticator())
    fill_other_tables(root, second, first_key)
    delivery = create_delivery(create_endpoint(first_key.row.customer))
    return {
        "audit/commandrecord": CommandRecord.objects.latest("position").pk,
        "audit/eventrecord": EventRecord.objects.latest("position").pk,
        "approvals/approvalrequest": request.pk,
        "approvals/policy": Policy.objects.first().pk,
        "apikeys/apikey": first_key.id,
        "apikeys/customer": first_key.row.customer_id,
        "auth/user": dana.pk,
        "auth/group": ann.groups.get().pk,
        "command_id": request.command_id,
        "correlation_id": request.command_id,
        "api_key_id": first_key.id,
        "approval_request_id": request.pk,
        "policy_id": Policy.objects.first().pk,
        "endpoint_id": delivery.endpoint_id,
        "event_id": delivery.event_id,
        "subject_type": "api-key",
        "subject_id": first_key.id,
        "kind": "user",
        "actor_id": dana.pk,
    }


def fill_other_tables(root, *keys):
    """Insert rows into the tables that nothing above fills."""
    for key in keys:
        completed(RotateApiKey(api_key_id=key.id, overlap_seconds=3600))
    take_steps()
    rate_limits.take("address:192.0.2.7", Limit(5, 60), policy="sign-in")
    Checkpoint.objects.create(name="x", partition=0, partitions=64, epoch=1, xid=3, position=0)
    Setback.objects.create(
        name="x",
        partition=0,
        subject_type="api-key",
        subject_id=keys[0].id,
        number=1,
        event_id=keys[0].id,
        state="parked",
        attempts=6,
    )
    fill_transparency_log()
    factor = Authenticator.objects.create(user=root, key=b"k1:" + b"x" * 48)
    RecoveryCode.objects.create(authenticator=factor, digest=b"d" * 32)
    LogEntry.objects.create(user=root, action_flag=1, object_repr="x", change_message="[]")
    with outside_command("Rows for a test"):
        Group.objects.first().permissions.set(Permission.objects.all()[:1])
        ApiKeyUsage.objects.create(api_key_id=keys[0].id, last_used_at=timezone.now())
        PickUp.objects.create(
            api_key_id=keys[0].id,
            actor_kind="user",
            actor_id=root.pk,
            actor_label="root",
            until=timezone.now() + timedelta(days=1),
        )
        Note.objects.create(id=uuid4(), text="x")


def fill_transparency_log():
    now, digest = timezone.now(), b"h" * 32
    TransparencyLog.objects.create(number=1, origin="x.example/log/1", began_at=now)
    record = {"kind": Leaf.Kind.COMMAND, "position": 1, "salt": b"s" * 16}
    Leaf.objects.create(log=1, index=0, hash=digest, **record)
    TreeNode.objects.create(log=1, level=1, index=0, hash=digest)
    LogKey.objects.create(log=1, index=1, verifier_key="x+00000000+AQ==", begins=True, at=now)
    place = {"epoch": 1, "xid": 3, "position": 1}
    SignedCheckpoint.objects.create(log=1, size=1, root=digest, note="x", signed_at=now, **place)
    Publication.objects.create(log=1, size=1, destination="/mnt/auditors", accepted_at=now)
