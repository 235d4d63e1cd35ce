"""Processes: what they remember, when they wake up, and what they send, all in one transaction."""

from datetime import UTC, datetime, timedelta
from threading import Thread
from uuid import UUID

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from apikeys.commands import DisableApiKey, EnableApiKey, UpdateApiKey
from apikeys.events import ApiKeyDisabled, ApiKeyEnabled, ApiKeyUpdated
from apikeys.models import ApiKey
from approvals.models import ApprovalRequest
from audit.actors.actors import SYSTEM
from audit.bus.dispatch import dispatch
from audit.domain import Completed, Postponed, Process, every, on, process, upcasts
from audit.messages.exceptions import Forbidden
from audit.models.processes import ProcessInstance, ProcessTimer
from audit.models.records import CommandRecord, EventRecord
from audit.reactions import declarations
from audit.reactions.commands import PauseSubscription, ResumeSubscription
from audit.reactions.processes import declarations as declared
from audit.reactions.processes.timers import take_due_step
from audit.testing import react
from tests.audit.reactions.things import let_setbacks_be_due
from tests.conftest import approved, completed, create_key, policy
from tests.processes import let_timers_be_due

MAY_ENABLE = {"apikeys.enable_apikey"}
LATER = timedelta(hours=1)


@pytest.fixture(autouse=True)
def own_processes(monkeypatch):
    """Only those that a test declares."""
    monkeypatch.setattr(declarations, "_subscriptions", {})
    monkeypatch.setattr(declared, "_processes", {})


def reenabling(name="test.reenable", permissions=MAY_ENABLE):
    """Declare a process that enables each key again that was disabled; return its outcomes."""
    outcomes = []

    @process(name, key="api_key_id", permissions=permissions)
    class Reenabling(Process):
        times: int = 0

        @on(ApiKeyDisabled)
        def enable(self, event):
            self.times += 1
            outcomes.append(self.send(EnableApiKey(api_key_id=event.api_key_id), reason="again"))

        @on(ApiKeyUpdated)
        def end(self, event):
            self.finish()

    return outcomes


def disable(key, owner):
    return dispatch(DisableApiKey(api_key_id=key.id), context=owner)


def sent():
    return CommandRecord.objects.filter(channel="process").order_by("position")


def test_a_command_of_a_process_has_its_actor_cause_and_case(first_key, dana, context_of):
    outcomes = reenabling()
    caused = disable(first_key, context_of(dana))
    react()
    react()

    (outcome,) = outcomes
    record = sent().get()
    event = EventRecord.objects.get(message_type="apikeys.disabled")
    assert isinstance(outcome, Completed)
    assert (record.actor_kind, record.actor_id) == ("process", "test.reenable")
    assert (record.actor_label, record.reason) == ("process:test.reenable", "again")
    assert (record.causation_id, record.correlation_id) == (caused.command_id, caused.command_id)
    assert record.decision["depth"] == 1
    assert record.decision["reaction_to"] == str(event.id)
    assert ApiKey.objects.get().is_enabled
    assert ApiKey.history.first().history_actor_label == "process:test.reenable"
    instance = ProcessInstance.objects.get()
    assert (instance.key, instance.state) == (str(first_key.id), {"times": 1})


def test_process_cannot_do_what_it_has_no_permission_for(first_key, dana, context_of):
    outcomes = reenabling(permissions=())
    disable(first_key, context_of(dana))
    react()

    (outcome,) = outcomes
    assert isinstance(outcome, Forbidden)
    assert (sent().get().status, sent().get().error_code) == ("refused", "forbidden")
    assert not ApiKey.objects.get().is_enabled
    assert ProcessInstance.objects.get().state == {"times": 1}


def test_finished_process_can_begin_again(first_key, dana, context_of):
    reenabling()
    disable(first_key, context_of(dana))
    disable_again = UpdateApiKey(api_key_id=first_key.id, description="ends it")
    react()
    completed(disable_again, context=context_of(dana))
    react()
    assert not ProcessInstance.objects.exists()

    disable(first_key, context_of(dana))
    react()

    assert ProcessInstance.objects.get().state == {"times": 1}
    assert sent().count() == 2


def test_a_reaction_that_fails_leaves_neither_state_nor_effects(first_key, dana, context_of):
    @process("test.failing", key="api_key_id", permissions=MAY_ENABLE)
    class Failing(Process):
        times: int = 0

        @on(ApiKeyDisabled)
        def enable(self, event):
            self.times += 1
            self.at(self.now + LATER, self.step)
            self.send(EnableApiKey(api_key_id=event.api_key_id))
            message = "after its command"
            raise RuntimeError(message)

        def step(self):
            pass

    disable(first_key, context_of(dana))
    react()

    assert not ApiKey.objects.get().is_enabled
    assert not ProcessInstance.objects.exists()
    assert not ProcessTimer.objects.exists()
    assert {(each.status, each.error_code) for each in sent()} == {("failed", "rolled_back")}


def test_each_attempt_at_a_command_of_a_reaction_that_is_retried_is_recorded(
    first_key, dana, context_of
):
    made = []

    @process("test.failing", key="api_key_id", permissions=MAY_ENABLE)
    class Failing(Process):
        @on(ApiKeyDisabled)
        def enable(self, event):
            made.append(self.send(EnableApiKey(api_key_id=event.api_key_id)).command_id)
            message = "after its command"
            raise RuntimeError(message)

    disable(first_key, context_of(dana))
    react()
    let_setbacks_be_due()
    react()

    assert list(sent().values_list("command_id", flat=True)) == made
    assert len(made) == 3
    assert {(each.status, each.error_code) for each in sent()} == {("failed", "rolled_back")}
    assert not ApiKey.objects.get().is_enabled


def test_held_command_of_a_process(first_key, dana, security, ann, bob, context_of):
    policy("apikeys.enable", group=security, quorum=2)
    outcomes = reenabling()
    enabled = []

    @process("test.watch", key="api_key_id")
    class Watch(Process):
        @on(ApiKeyEnabled)
        def see(self, event):
            enabled.append(event.api_key_id)

    disable(first_key, context_of(dana))
    react()
    request = ApprovalRequest.objects.get()
    assert isinstance(outcomes[0], Postponed)
    assert (request.requester_kind, request.requester_label) == ("process", "process:test.reenable")

    request = approved(request, ann, bob)
    react()

    assert request.state == "executed", request.outcome
    assert enabled == [first_key.id]
    final = sent().get(status="succeeded")
    assert (final.actor_kind, final.decision["depth"]) == ("process", 1)


def test_loop_of_processes_stops(first_key, dana, context_of):
    reenabling()

    @process("test.disable", key="api_key_id", permissions={"apikeys.disable_apikey"})
    class Disabling(Process):
        @on(ApiKeyEnabled)
        def disable(self, event):
            self.send(DisableApiKey(api_key_id=event.api_key_id))

    disable(first_key, context_of(dana))
    react()

    commands = list(sent())
    assert len(commands) == 33
    assert (commands[-1].status, commands[-1].error_code) == ("refused", "too_many_reactions")
    assert len({each.correlation_id for each in commands}) == 1


def test_a_reaction_writes_no_tracked_table_outside_its_commands(first_key, dana, context_of):
    @process("test.past", key="api_key_id", permissions=MAY_ENABLE)
    class Past(Process):
        @on(ApiKeyDisabled)
        def enable(self, event):
            self.send(EnableApiKey(api_key_id=event.api_key_id))
            ApiKey.objects.update(description="past every command")

    disable(first_key, context_of(dana))
    react()

    assert ApiKey.objects.get().description == ""
    assert not ApiKey.objects.get().is_enabled


def waking(taken, *, fails=0):
    """Declare a process that takes a step an hour after a key was disabled."""
    left = [None] * fails

    @process("test.waking", key="api_key_id", permissions=MAY_ENABLE)
    class Waking(Process):
        since: datetime | None = None

        @on(ApiKeyDisabled)
        def wait(self, event):
            self.since = self.now
            self.at(self.now + LATER, self.wake)

        def wake(self):
            taken.append(self.since)
            self.send(EnableApiKey(api_key_id=UUID(self.key)))
            if left:
                left.pop()
                message = "not yet"
                raise RuntimeError(message)
            self.finish()


def test_a_timer_fires_once_when_it_is_due(first_key, dana, context_of):
    taken = []
    waking(taken)
    caused = disable(first_key, context_of(dana))
    react()
    assert (taken, sent().count()) == ([], 0)

    let_timers_be_due()
    react()
    react()

    assert len(taken) == 1
    assert taken[0].tzinfo
    assert sent().get().causation_id == caused.command_id
    assert sent().get().correlation_id == caused.command_id
    assert not ProcessInstance.objects.exists()


def test_a_timer_waits_while_the_subscription_of_its_process_is_paused(first_key, dana, context_of):
    taken = []
    waking(taken)
    disable(first_key, context_of(dana))
    react()
    let_timers_be_due()
    completed(PauseSubscription(subscription="test.waking"))
    react()
    while_paused = list(taken)
    completed(ResumeSubscription(subscription="test.waking"))
    react()

    assert while_paused == []
    assert len(taken) == 1


def test_timer_fires_once_with_two_workers(acme, dana, context_of):
    taken = []
    waking(taken)
    keys = [create_key(dana, acme, name=f"key {each}") for each in range(12)]
    for key in keys:
        disable(key, context_of(dana))
    react()
    let_timers_be_due()

    def work():
        while take_due_step():
            pass
        connection.close()

    workers = [Thread(target=work) for _ in range(2)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    # A worker skips what the other one holds, so one more look takes what both have skipped.
    while take_due_step():
        pass

    assert len(taken) == sent().filter(status="succeeded").count() == 12
    assert not ProcessTimer.objects.exists()


def test_a_step_that_fails_is_undone_and_taken_again_later(first_key, dana, context_of):
    taken = []
    waking(taken, fails=1)
    disable(first_key, context_of(dana))
    react()
    let_timers_be_due()
    react()

    timer = ProcessTimer.objects.get()
    assert (timer.failures, timer.error) == (1, "RuntimeError")
    assert not ApiKey.objects.get().is_enabled
    let_timers_be_due()
    react()

    assert len(taken) == 2
    assert ApiKey.objects.get().is_enabled
    assert [each.status for each in sent()] == ["failed", "succeeded"]


def test_a_step_is_repeated_and_can_be_brought_forward():
    taken = []

    @process("test.regular")
    class Regular(Process):
        count: int = 0

        @every(LATER)
        def step(self):
            taken.append(self.count)
            self.count += 1
            if self.count == 2:
                self.at(self.now, self.step)

    react()
    react()
    assert taken == [0]
    timer = ProcessTimer.objects.get()
    assert timer.due_at - timer.set_at == LATER
    let_timers_be_due()
    react()

    assert taken == [0, 1, 2]
    assert ProcessInstance.objects.get().state == {"count": 3}


def test_the_state_is_lifted_to_the_version_of_the_class(first_key, dana, context_of):
    @upcasts("test.lifted", from_version=1)
    def lift(state):
        return {"names": [state["name"]]}

    @process("test.lifted", key="api_key_id")
    class Lifted(Process):
        schema_version = 2
        names: tuple[str, ...] = ()

        @on(ApiKeyDisabled)
        def note(self, event):
            self.names = (*self.names, "second")

    stored = {"process": "test.lifted", "key": str(first_key.id), "schema_version": 1}
    ProcessInstance.objects.create(**stored, state={"name": "first"})
    disable(first_key, context_of(dana))
    react()

    instance = ProcessInstance.objects.get()
    assert (instance.state, instance.schema_version) == ({"names": ["first", "second"]}, 2)


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("customer_id", {"reaction": on(ApiKeyDisabled)(lambda *_: None)}),
        ("api_key_id", {"step": every(LATER)(lambda *_: None)}),
        ("", {"__annotations__": {"count": int}}),
    ],
    ids=["an event without the key", "a repeated step of many", "a field without a default"],
)
def test_a_class_that_cannot_work_is_refused_at_once(key, fields):
    with pytest.raises(ImproperlyConfigured, match=r"test\.wrong"):
        process("test.wrong", key=key)(type("Wrong", (Process,), fields))


def test_a_step_needs_a_zone_and_a_method():
    instance = Process(key="", now=datetime.now(UTC), actor=SYSTEM)

    with pytest.raises(ValueError, match="zone"):
        instance.at(datetime(2026, 1, 1), instance.finish)  # noqa: DTZ001  # the mistake
    with pytest.raises(ValueError, match="method"):
        instance.at(instance.now, react)
