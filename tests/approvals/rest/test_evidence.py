"""The signed evidence of a request over HTTP."""

from approvals.sealing import evidence_files
from tests.approvals.asking import address
from tests.conftest import member
from tests.http import call
from tests.tampering import tamper


def test_the_evidence_of_a_request_is_the_signed_file(waiting, ann, bob, approve, iris, browser):
    approve(waiting, ann)
    approve(waiting, bob)

    response = browser(iris).get(address(waiting, "evidence"))

    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    verified = evidence_files.verify(response.content, expected_key=None)
    assert verified.evidence["request"]["id"] == str(waiting.pk)
    assert len(verified.evidence["votes"]) == 2


def test_evidence_is_for_readers_of_the_log(asked, first_key, client, globex, ann, browser):
    other = member("olaf", globex, permissions=("view_commandrecord", "view_approvalrequest"))

    assert call(client, "GET", address(asked, "evidence"), key=first_key).status_code == 403
    assert browser(ann).get(address(asked, "evidence")).status_code == 403
    assert browser(other).get(address(asked, "evidence")).status_code == 404


def test_evidence_that_does_not_fit_together_is_a_conflict(waiting, iris, browser, owner):
    tamper(owner, waiting, state="executed")

    response = browser(iris).get(address(waiting, "evidence"))

    assert response.status_code == 409
    assert response.json()["code"] == "evidence_disagrees"
