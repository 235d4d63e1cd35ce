"""E-mails to people about their second factor: set up, replaced, removed, reset, and used up."""

import pytest

from approvals.people.commands import ResetSecondFactor
from audit.factors import models
from audit.factors.commands import RemoveSecondFactor, VerifySecondFactor
from audit.factors.models import RecoveryCode
from tests.conftest import completed
from tests.factors import Clock, new_app
from tests.mails import forget, sent


@pytest.fixture
def app(dana, monkeypatch):
    """Dana's authenticator app, with its recovery codes. The e-mail about it was sent."""
    clock = Clock()
    monkeypatch.setattr(models, "time", lambda: clock.now)
    dana.email = "dana@example.com"
    dana.save()
    forget()
    app, codes = new_app(dana, clock)
    app.codes = codes
    return app


def only_mail():
    (mail,) = sent()
    assert mail.to == ["dana@example.com"]
    assert mail.subject == "[Countersign] Your second factor"
    assert "contact an administrator" in mail.body
    text = mail.body
    forget()
    return text


def test_setting_up_replacing_and_removing_it_are_announced(dana, app, context_of):
    first = only_mail()
    assert "An authenticator app, with recovery codes, was set up" in first
    assert "By dana, at " in first
    assert not any(code in first for code in app.codes)

    new_app(dana, app.clock, replaces=True)
    assert "were replaced by new ones" in only_mail()

    completed(RemoveSecondFactor(user_id=dana.pk), context=context_of(dana))
    assert "were removed" in only_mail()


def test_a_reset_names_who_did_it(dana, app, manager, context_of):
    only_mail()

    completed(ResetSecondFactor(user_id=dana.pk), context=context_of(manager))

    text = only_mail()
    assert "were reset" in text
    assert f"By {manager.username}, at " in text


def test_each_use_of_a_recovery_code_is_announced_and_the_last_one_says_so(dana, app, context_of):
    only_mail()
    for code in app.codes[:2]:
        completed(VerifySecondFactor(user_id=dana.pk, code=code), context=context_of(dana))
        RecoveryCode.objects.exclude(digest__in=_two(dana, app)).delete()

    first, last = map(_first_line, sent())
    assert first == "One of your recovery codes was used. You have 9 left."
    assert last.startswith("The last of your recovery codes was used. To get new ones, set up")


def _two(dana, app):
    digests = [models.sealing.digest(models._plain(each), user_id=dana.pk) for each in app.codes]
    return digests[:2]


def _first_line(mail):
    return mail.body.partition("\n")[0]


def test_a_wrong_code_sends_nothing(dana, app, context_of):
    only_mail()

    completed(VerifySecondFactor(user_id=dana.pk, code="000000"), context=context_of(dana))

    assert not sent()
