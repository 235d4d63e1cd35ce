"""An exception at any step of a dispatch changes nothing, and is on record."""

import pytest

from apikeys.commands import AddMember, DisableApiKey
from apikeys.models import ApiKey, Membership
from audit.actors.actors import SYSTEM
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.installation.settings import countersign
from audit.messages.exceptions import Crashed, OutcomeUnknown
from audit.models.records import CommandRecord
from tests.books import all_but_records, assert_balanced, attempts
from tests.conftest import AS_SYSTEM
from tests.probes import Broken, Probed, deed, to
from tests.severed import refusing


def assert_only_the_failure_is_on_record(command, *, saying: str, context=AS_SYSTEM) -> None:
    """Dispatch a command that fails, and look at what that left behind."""
    before, known = all_but_records(), CommandRecord.objects.count()

    with pytest.raises(Crashed) as failure:
        dispatch(command, context=context)

    assert all_but_records() == before
    assert CommandRecord.objects.count() == known + 1
    assert attempts(failure.value.command_id) == [(1, "failed", "crashed")]
    record = CommandRecord.objects.get(command_id=failure.value.command_id)
    assert record.message_type == command.message_type
    assert saying in record.error_message
    assert saying not in failure.value.message
    assert_balanced()


@deed
def break_at_once(command, context):
    raise Broken("before the change")


@deed
def break_after_the_change(command, context):
    ApiKey.objects.get(pk=command.api_key_id).disable()
    raise Broken("after the change")


@deed
def break_after_an_event(command, context):
    ApiKey.objects.get(pk=command.api_key_id).disable()
    context.emit(Probed(api_key_id=command.api_key_id))
    raise Broken("after the event")


@deed
def disable(command, context):
    ApiKey.objects.get(pk=command.api_key_id).disable()


@pytest.mark.parametrize(
    ("name", "saying"),
    [
        ("tests.probes.break_before", "Broken: on the way in"),
        ("tests.probes.break_after", "Broken: on the way out"),
    ],
)
@pytest.mark.parametrize("is_outermost", [True, False])
def test_a_middleware_that_fails_undoes_everything(
    configure, first_key, name, saying, is_outermost
):
    others = countersign().middleware
    configure(MIDDLEWARE=[name, *others] if is_outermost else [*others, name])

    assert_only_the_failure_is_on_record(DisableApiKey(api_key_id=first_key.id), saying=saying)


@pytest.mark.parametrize(
    ("what", "saying"),
    [
        (break_at_once, "Broken: before the change"),
        (break_after_the_change, "Broken: after the change"),
        (break_after_an_event, "Broken: after the event"),
    ],
)
def test_a_handler_that_fails_undoes_everything(first_key, what, saying):
    assert_only_the_failure_is_on_record(to(what, first_key.id), saying=saying)


def test_a_model_method_that_fails_undoes_everything(owner, first_key):
    owner.execute(
        "ALTER TABLE apikeys_apikey ADD CONSTRAINT tests_stays_enabled CHECK (is_enabled) NOT VALID"
    )
    try:
        assert_only_the_failure_is_on_record(
            DisableApiKey(api_key_id=first_key.id), saying="tests_stays_enabled"
        )
    finally:
        owner.execute("ALTER TABLE apikeys_apikey DROP CONSTRAINT tests_stays_enabled")


@pytest.mark.parametrize(
    ("table", "when"),
    [
        ("apikeys_historicalapikey", "true"),
        ("audit_eventrecord", "NEW.message_type = 'apikeys.disabled'"),
        ("audit_streamhead", "true"),
        ("audit_commandrecord", "NEW.status = 'succeeded'"),
    ],
)
def test_what_cannot_be_written_undoes_everything(owner, first_key, table, when):
    command = DisableApiKey(api_key_id=first_key.id)

    with refusing(owner, table, when=when):
        assert_only_the_failure_is_on_record(command, saying=f"the test refuses {table}")


@pytest.mark.parametrize("table", ["apikeys_apikey", "audit_eventrecord"])
def test_a_commit_that_fails_undoes_everything(owner, first_key, table):
    with refusing(owner, table, at_commit=True):
        assert_only_the_failure_is_on_record(
            DisableApiKey(api_key_id=first_key.id), saying=f"the test refuses {table}"
        )


def test_a_reference_to_nobody_that_shows_at_commit_undoes_everything(acme):
    command = AddMember(customer_id=acme.pk, user_id=987_654_321)

    assert_only_the_failure_is_on_record(command, saying="violates foreign key constraint")
    assert not Membership.objects.exists()


def test_what_a_failure_quotes_of_a_secret_is_not_on_record(owner, first_key, capsys):
    @deed
    def tell_the_secret(command, context):
        context.reveal("cs_live_tell-tale")
        raise Broken(f"cannot bear {context.secret}")

    with pytest.raises(Crashed) as failure:
        dispatch(to(tell_the_secret, first_key.id), context=AS_SYSTEM)

    record = CommandRecord.objects.get(command_id=failure.value.command_id)
    assert record.error_message.endswith("(Broken: cannot bear [redacted])")
    assert "tell-tale" not in capsys.readouterr().out


def test_where_the_log_itself_takes_nothing_the_caller_is_told_to_ask_again(owner, first_key):
    before = all_but_records()

    with (
        refusing(owner, "audit_commandrecord", when="NEW.message_type = 'apikeys.disable'"),
        pytest.raises(OutcomeUnknown) as failure,
    ):
        dispatch(DisableApiKey(api_key_id=first_key.id), context=Context(actor=SYSTEM))

    assert failure.value.command_id
    assert attempts(failure.value.command_id) == []
    assert all_but_records() == before
