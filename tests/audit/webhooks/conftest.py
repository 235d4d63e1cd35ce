"""Webhook endpoints of Acme's, people who may manage endpoints, and a receiver."""

import socket
from datetime import timedelta

import pytest
from django.utils import timezone

from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.models.records import EventRecord
from audit.webhooks.commands import CreateWebhookEndpoint
from audit.webhooks.deliveries import WebhookDelivery
from audit.webhooks.fan_out import fan_out
from audit.webhooks.sending import connections
from audit.webhooks.sending.sender import Sender
from tests.audit.webhooks.receiver import HOST, serving, write_certificate
from tests.conftest import actor, member

PERMISSIONS = ("view_webhookendpoint", "manage_webhookendpoint", "resend_webhookdelivery")


@pytest.fixture
def wanda(acme):
    """Acts for Acme, and manages its webhook endpoints."""
    return member("wanda", acme, permissions=PERMISSIONS)


@pytest.fixture
def walt(globex):
    """Acts for Globex, with the same permissions as Wanda."""
    return member("walt", globex, permissions=PERMISSIONS)


@pytest.fixture
def new_endpoint(acme, wanda):
    """A function that creates an endpoint of Acme's as Wanda; returns it and its secret."""

    def make(destination="https://hooks.example/in", **fields):
        command = CreateWebhookEndpoint(tenant=str(acme.pk), destination=destination, **fields)
        outcome = dispatch(command, context=Context(actor=actor(wanda)))
        return outcome.result, outcome.secret

    return make


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """The certificate of the receiver, with its key."""
    return write_certificate(tmp_path_factory.mktemp("webhooks") / "receiver.pem")


@pytest.fixture
def resolved(monkeypatch):
    """The addresses that the DNS has for a host, by name; all other names are resolved."""
    known, real = {HOST: ["127.0.0.1"]}, socket.getaddrinfo

    def resolve(host, port, *args, **options):
        if host not in known:
            return real(host, port, *args, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


@pytest.fixture
def receiver(certificate, resolved, monkeypatch, configure):
    """A receiver of webhooks that the sender can reach, and whose certificate it trusts."""
    configure(WEBHOOK_ALLOW_PRIVATE=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    connections._tls.cache_clear()
    with serving(certificate) as running:
        yield running
    connections._tls.cache_clear()


@pytest.fixture
def deliver():
    """A function that makes the deliveries of all events, and sends what is due."""

    def run():
        for event in EventRecord.objects.order_by("position"):
            fan_out(event.id)
        sender = Sender()
        while sender.turn():
            pass

    return run


def in_the_past(**lookups):
    """Let the next attempt of deliveries be due, and the leases of killed senders be over."""
    now = timezone.now()
    rows = WebhookDelivery.objects.filter(state="pending", **lookups)
    rows.update(next_attempt_at=now - timedelta(seconds=1))
    rows.exclude(leased_until=None).update(leased_until=now - timedelta(seconds=1))
