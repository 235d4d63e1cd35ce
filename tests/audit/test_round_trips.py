"""What a write costs, counted in statements and trips: a regression shows without a clock."""

from apikeys.credentials import actor_of_token
from benchmarks.peers import Dispatcher
from benchmarks.protocol import Traffic, traffic_of


def test_an_ungoverned_command_takes_seven_trips(first_key):
    dispatcher = Dispatcher(first_key.row)
    dispatcher.toggle()

    # BEGIN, opening, lock, update, history, append, COMMIT.
    assert dispatcher.traffic() == Traffic(statements=7, round_trips=7)


def test_authentication_takes_one(first_key):
    actor_of_token(first_key.secret, address="192.0.2.1")

    traffic = traffic_of(lambda: actor_of_token(first_key.secret, address="192.0.2.1"))

    assert traffic == Traffic(1, 1)
