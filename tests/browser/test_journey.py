"""The story, as people live it: Dana's program asks, Ann and Bob approve, Iris looks into it."""

import json
import re
import urllib.request

import pytest

from tests.conftest import PASSWORD


@pytest.fixture
def program(live_server, first_key):
    """Dana's program: it calls the API over the wire; without a body it only asks."""

    def call(path, body=None):
        request = urllib.request.Request(
            f"{live_server.url}/api/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers=first_key.headers | {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer), answer.headers

    return call


def test_two_people_approve_the_request_of_a_program_and_an_auditor_finds_both_votes(
    program, ann, bob, iris, disabling_needs_two, visitor
):
    created, ci, _ = program("v1/api-keys", {"name": "ci"})
    held, _, headers = program(f"v1/api-keys/{ci['id']}/disable", {"reason": "CI has moved"})
    status = f"v2/commands/{headers['Command-Id']}"
    assert (created, held) == (201, 202)
    assert program(status)[1]["status"] == "postponed"

    at_ann = visitor()
    at_ann.signs_in("ann", PASSWORD)
    at_ann.follows("^Approval requests", "^Disable API key “ci”")
    assert at_ann.sees(re.compile("Requested by dana, with key"))
    at_ann.presses("^Approve")
    assert at_ann.sees("1 of 2 “Security”")

    at_bob = visitor()
    at_bob.signs_in("bob", PASSWORD)
    at_bob.follows("^Disable API key “ci”")
    at_bob.presses("^Approve: last vote, executes now")
    assert at_bob.sees(re.compile("Approved and executed"))

    assert program(status)[1]["status"] == "succeeded"
    assert program(f"v2/api-keys/{ci['id']}")[1]["state"] == "disabled"

    at_iris = visitor()
    at_iris.signs_in("iris", PASSWORD)
    at_iris.follows("^Audit log", "^API key “ci”")
    for words in ("CI has moved", "ann", "bob"):
        assert at_iris.sees(re.compile(words))
    at_iris.opens(f"/audit/cases/{headers['Command-Id']}")
    assert at_iris.sees("Chart")
    assert at_iris.sees("Steps")


def test_a_page_that_another_vote_has_overtaken_decides_nothing_and_asks_again(
    program, ann, bob, disabling_needs_two, visitor
):
    _, ci, _ = program("v1/api-keys", {"name": "ci"})
    _, _, headers = program(f"v1/api-keys/{ci['id']}/disable", {"reason": "CI has moved"})
    at_ann, at_bob = visitor(), visitor()
    for person, name in ((at_ann, "ann"), (at_bob, "bob")):
        person.signs_in(name, PASSWORD)
        person.follows("^Approval requests", "^Disable API key “ci”")
    at_ann.page.get_by_label("Reason").first.fill("Checked with the owner")
    at_bob.presses(r"^Approve \(1 more needed after you\)")
    assert at_bob.sees("1 of 2 “Security”")

    at_ann.presses(r"^Approve \(1 more needed after you\)")

    assert at_ann.sees(re.compile("bob approved meanwhile. Your vote would now execute it."))
    assert at_ann.page.get_by_label("Reason").first.input_value() == "Checked with the owner"
    assert program(f"v2/commands/{headers['Command-Id']}")[1]["status"] == "postponed"

    at_ann.presses("^Approve: last vote, executes now")

    assert at_ann.sees(re.compile("Approved and executed"))
    assert program(f"v2/commands/{headers['Command-Id']}")[1]["status"] == "succeeded"


def test_selected_requests_are_decided_together_after_one_is_deselected(
    program, ann, disabling_needs_two, visitor
):
    for name in ("ci", "cd"):
        _, key, _ = program("v1/api-keys", {"name": name})
        program(f"v1/api-keys/{key['id']}/disable", {"reason": "CI has moved"})
    at_ann = visitor()
    at_ann.signs_in("ann", PASSWORD)
    at_ann.follows("^Approval requests")

    at_ann.page.get_by_label("Select all objects on this page").first.check()
    assert at_ann.sees("2 of 2 selected")
    at_ann.presses("^Approve selected")
    at_ann.page.get_by_label(re.compile("^Select: Disable API key “cd”")).uncheck()
    at_ann.presses("^Approve the selected requests")

    assert at_ann.sees("1 recorded.")
