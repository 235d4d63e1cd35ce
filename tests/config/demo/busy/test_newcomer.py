"""A busy month in a demo that is in use already: what its user made stays as it is."""

import json

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from apikeys.models import ApiKey, ApiKeySecret, Customer
from config.demo import story
from config.demo.busy import month
from tests import mails
from tests.conftest import create_key
from tests.wiping import wipe

pytestmark = pytest.mark.sweep

ADDRESS = "http://127.0.0.1:9000"


@pytest.fixture(scope="module", autouse=True)
def clean_database(superuser, django_db_blocker):
    """Fill the database once for all of these tests."""
    with django_db_blocker.unblock():
        yield
        connection.close()
    wipe(superuser)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def sent(clean_database, directory):
    """Play the month after a start on port 9000, and after the newcomer made a key.

    Return the e-mails of the month.
    """
    with override_settings(DATA_DIR=directory, DEMO=True, BASE_URL=ADDRESS):
        story.load()
    dana, acme = User.objects.get(username="dana"), Customer.objects.get(name="Acme")
    # Easily confused with a key of the month.
    for name in ("own", "deploy-b0t"):
        create_key(dana, acme, name=name)
    with override_settings(DATA_DIR=directory, DEMO=True):
        mails.forget()
        month.play(lambda _: None, days=4, pace=40)
    return list(mails.sent())


def test_the_keys_of_the_newcomer_are_not_changed(sent):
    for name in ("own", "deploy-b0t", "first"):
        api_key = ApiKey.objects.get(name=name)

        assert api_key.history.count() == 1
        assert ApiKeySecret.objects.filter(api_key=api_key).count() == 1


def test_the_demo_file_keeps_the_address_of_the_start(sent, directory, settings):
    settings.DATA_DIR, settings.DEMO = directory, True

    call_command("demo", busy=True)

    assert json.loads(story_file(directory))["base_url"] == ADDRESS


def test_the_month_sends_no_e_mails(sent):
    assert sent == []


def story_file(directory):
    return (directory / "demo.json").read_text()
