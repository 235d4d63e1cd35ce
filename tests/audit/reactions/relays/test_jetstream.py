"""The adapter for NATS JetStream, on the real server."""

import os
import ssl
import threading
import traceback
from contextlib import closing

import nkeys
import pytest
from django.contrib.auth.models import Permission, User

from audit.domain import BrokerUnavailable, reacts_to, relays
from audit.models.records import EventRecord
from audit.models.subscriptions import Setback
from audit.reactions import checkpoints, workers
from audit.reactions.declarations import find
from audit.testing import check_broker, check_fence, check_unreachable
from tests.audit.reactions.things import Touched, settled_horizon, touched
from tests.audit.webhooks.receiver import HOST, write_certificate
from tests.brokers import running
from tests.servers import free_port
from tests.threads import until

pytestmark = pytest.mark.edge


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server with TLS that knows one user, by a key."""
    directory = tmp_path_factory.mktemp("guarded")
    certificate = write_certificate(directory / "nats.pem")
    seed = directory / "seed"
    seed.write_bytes(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))
    user = nkeys.from_seed(seed.read_bytes()).public_key.decode()
    configuration = (
        f'tls {{ cert_file: "{certificate}", key_file: "{certificate}" }}\n'
        f'authorization {{ users: [ {{ nkey: "{user}" }} ] }}\n'
    )
    options = {
        "tls": ssl.create_default_context(cafile=certificate),
        "tls_hostname": HOST,
        "nkeys_seed": str(seed),
    }
    with running(directory, configuration=configuration, options=options) as server:
        server.make_stream()
        yield server


def test_it_meets_the_obligations_of_a_broker(nats):
    check_broker(nats.broker, stored=nats.ids)
    check_fence(nats.broker, stored=nats.ids)
    check_unreachable(nats.broker(servers=f"nats://127.0.0.1:{free_port()}"))


def test_it_connects_with_tls_and_a_key(guarded):
    check_fence(guarded.broker, stored=guarded.ids)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (
            {"servers": "tls://dana:t0p-s3cret@127.0.0.1:{port}", "nkeys_seed": None},
            "Authorization Violation",
        ),
        ({"servers": "tls://dana:t0p-s3cret@127.0.0.1:{port}", "tls_hostname": "other"}, "SSL"),
        ({"servers": "tls://dana:t0p-s3cret@127.0.0.1:no-port"}, "invalid connect url"),
        ({"servers": "tls://dana:t0p-s3cret@[127.0.0.1"}, "invalid connect url"),
        ({"nkeys_seed": "/nowhere/t0p"}, "FileNotFoundError"),
    ],
)
def test_an_error_of_the_connection_quotes_no_secret(guarded, options, cause, caplog, capfd):
    if "servers" in options:
        options = {**options, "servers": options["servers"].replace("{port}", str(guarded.port))}
    broker = guarded.broker(**options)

    with closing(broker), pytest.raises(BrokerUnavailable, match=cause) as raised:
        broker.resume("a")

    shown = "".join(traceback.format_exception(raised.value))
    assert "s3cret" not in shown + caplog.text + "".join(capfd.readouterr()) + repr(broker)


def test_a_restart_of_the_server_sets_nothing_aside(nats, own_subscriptions, configure):
    """The relay notices that its connection is lost, and makes another one."""
    configure(BROKERS=nats.settings())
    relays(Touched, name="test.relay", to="events")(lambda event, _: event)
    relay = find("test.relay")
    checkpoints.create(relay, place=checkpoints.Place())

    def poll():
        return workers.Poll(settled_horizon(), ())

    with closing(workers.Follower([relay], poll=poll)) as follower:
        touched("a")
        follower.turn()
        nats.kill()
        nats.start()
        touched("b")
        follower.turn()

    assert nats.ids() == list(EventRecord.objects.order_by("position").values_list("id", flat=True))
    assert not Setback.objects.exists()


def test_an_outage_delays_no_one_else_and_is_shown(nats, own_subscriptions, configure, browser):
    """The broker is killed and starts again; a reader of the log sees why the relay waits."""
    configure(BROKERS=nats.settings(timeout=1))
    counted = []
    relays(Touched, name="test.relay", to="events", starts="beginning")(lambda event, _: event)
    reacts_to(Touched, name="test.counts", starts="beginning")(
        lambda _, delivery: counted.append(delivery.id)
    )
    auditor = User.objects.create_user("olaf", is_staff=True)
    names = ("view_commandrecord", "view_every_tenant")
    auditor.user_permissions.add(*Permission.objects.filter(codename__in=names))
    stop = threading.Event()
    worker = threading.Thread(target=workers.work, kwargs={"stop": stop})
    worker.start()
    try:
        touched("a")
        until(lambda: nats.count() == 1)
        nats.kill()
        touched(*"abc")
        until(lambda: len(set(counted)) == 4)
        until(Setback.objects.exists)
        shown = browser(auditor).get("/audit/subscriptions").text
        nats.start()
        until(lambda: nats.count() == 4)
        until(lambda: not Setback.objects.exists())
    finally:
        stop.set()
        worker.join()

    assert "BrokerUnavailable" in shown
    assert nats.ids() == list(EventRecord.objects.order_by("position").values_list("id", flat=True))
