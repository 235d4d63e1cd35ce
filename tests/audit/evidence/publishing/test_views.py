"""The published log over HTTP, as monitors and caches see it."""

import pytest
from django.test import Client

from audit.evidence import checkpoints, merkle, notes
from audit.evidence.models import Publication
from audit.evidence.notes import Verifier
from audit.evidence.publishing.paths import TilePath
from audit.models.records import CommandRecord
from tests.tampering import without_triggers
from tests.transparency import Cosigner, entries_of, written

PATH = "/log/1"
MORE_THAN_A_TILE = 280


@pytest.fixture
def log(fill_log):
    """A log of more than a tile of leaves; its last checkpoint."""
    return fill_log(MORE_THAN_A_TILE)


@pytest.fixture
def stranger():
    """Someone without a session, and without cookies."""
    return Client()


def opened(response):
    """Return the checkpoint of a response, verified with the published keys."""
    keys = Client().get(f"{PATH}/keys").text.splitlines()
    verifiers = [Verifier.parse(line.split(" ")[0]) for line in keys]
    return checkpoints.parse_checkpoint(notes.verify(notes.parse(response.text), verifiers).text)


def test_a_monitor_reads_the_whole_log(log, stranger):
    checkpoint = opened(stranger.get(f"{PATH}/checkpoint"))
    tiles = {
        tile: stranger.get(f"{PATH}/{TilePath(tile.level, tile.number, width)}").content
        for tile, width in merkle.tiles_of(checkpoint.size).items()
    }
    found = []
    for tile, width in merkle.tiles_of(checkpoint.size).items():
        if tile.level == 0:
            bundle = stranger.get(f"{PATH}/{TilePath(None, tile.number, width)}").content
            while bundle:
                end = 2 + int.from_bytes(bundle[:2])
                found.append(bundle[2:end])
                bundle = bundle[end:]

    assert checkpoint.size == log.size > merkle.WIDTH
    read = lambda level, number: tiles[merkle.Tile(level, number)]  # noqa: E731  # as it is passed
    assert merkle.root(checkpoint.size, read) == checkpoint.root
    hashes = b"".join(merkle.leaf_hash(entry) for entry in found)
    assert hashes == tiles[merkle.Tile(0, 0)] + tiles[merkle.Tile(0, 1)]
    assert found == entries_of(1)


def test_tiles_are_kept_by_caches_and_checkpoints_are_asked_for_again(log, stranger):
    full, partial = stranger.get(f"{PATH}/tile/0/000"), stranger.get(f"{PATH}/tile/0/001.p/1")
    checkpoint = stranger.get(f"{PATH}/checkpoint")

    for response in (full, partial):
        assert response["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response["Content-Type"] == "application/octet-stream"
    assert checkpoint["Cache-Control"] == "no-cache"
    assert checkpoint["Content-Type"] == "text/plain; charset=utf-8"
    assert len(full.content) == 256 * 32
    assert len(partial.content) == 32


@pytest.mark.parametrize(
    "path", ["checkpoint", "keys", "tile/0/000", "tile/1/000.p/1", "tile/entries/000"]
)
def test_responses_are_the_same_for_everyone(path, log, stranger, browser, dana):
    response = stranger.get(f"{PATH}/{path}")

    assert response.status_code == 200
    assert browser(dana).get(f"{PATH}/{path}").content == response.content
    assert "Cookie" not in response.get("Vary", "")
    assert not response.cookies


def test_a_copy_that_is_current_is_not_sent_again(log, fill_log, stranger):
    first = stranger.get(f"{PATH}/checkpoint")
    copy = {"If-None-Match": first["ETag"]}

    again = stranger.get(f"{PATH}/checkpoint", headers=copy)
    fill_log()
    newer = stranger.get(f"{PATH}/checkpoint", headers=copy)

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert again["Cache-Control"] == "no-cache"
    assert newer.status_code == 200
    assert opened(newer).size > opened(first).size


def test_head_has_the_headers_of_get(log, stranger):
    response = stranger.head(f"{PATH}/tile/0/000")

    assert (response.status_code, response.content) == (200, b"")
    assert response["Content-Length"] == str(256 * 32)


RESOURCES = ["checkpoint", "keys", "tile/0/000", "tile/entries/000"]
METHODS = ["post", "put", "patch", "delete", "options", "trace"]


def is_plain(response):
    """Return True if a response is a line of text that no cache keeps, without a cookie."""
    return (
        response["Content-Type"] == "text/plain; charset=utf-8"
        and response["Cache-Control"] == "no-store"
        and response.content.count(b"\n") == 1
        and not response.cookies
        and "Cookie" not in response.get("Vary", "")
    )


@pytest.mark.parametrize("path", RESOURCES)
@pytest.mark.parametrize("method", METHODS)
def test_nothing_can_be_written(method, path, log):
    response = getattr(Client(enforce_csrf_checks=True), method)(f"{PATH}/{path}")

    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")
    assert is_plain(response)


@pytest.mark.parametrize("path", RESOURCES)
def test_unknown_parameters_change_nothing(path, log, stranger):
    plain = stranger.get(f"{PATH}/{path}")
    response = stranger.get(f"{PATH}/{path}?width=1&format=json&x[]=%00")

    assert (response.status_code, response.content) == (200, plain.content)
    assert response["Cache-Control"] == plain["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "/log/2/checkpoint",
        "/log/999999999/keys",
        "/log/2/tile/0/000",
        "/log/0/checkpoint",
        "/log/9999999999/checkpoint",
        "/log/1/tile/0/002",
        "/log/1/tile/0/001",
        "/log/1/tile/0/001.p/255",
        "/log/1/tile/1/000",
        "/log/1/tile/7/x999/x999/x999/x999/x999/999",
        "/log/1/tile/entries/x999/x999/x999/x999/x999/999",
        "/log/1/tile/entries/001",
        "/log/1/tile/0/x000/000",
        "/log/1/tile/0/../checkpoint",
        "/log/1/tile/0/000%0a",
        "/log/1/tile/0/000%00",
        "/log/1/tile/%2e%2e/%2e%2e/etc/passwd",
        "/log/1/checkpoint/",
        "/log/1/",
        "/log/1",
        "/log/01/checkpoint",
        "/log/-1/checkpoint",
        "/log/\u0661/checkpoint",
        "/log/x",
        "/log/1/witnessed",
        "/log/",
    ],
)
def test_an_unknown_path_is_not_found(path, log):
    client = Client(enforce_csrf_checks=True)

    read, written_to, head = client.get(path), client.post(path), client.head(path)

    assert (read.status_code, head.status_code, head.content) == (404, 404, b"")
    # Of a path that has a resource at times, the method is wrong.
    assert written_to.status_code in (404, 405)
    assert is_plain(read)
    assert is_plain(written_to)


def test_a_tile_that_may_come_is_not_kept_as_missing(log, stranger):
    assert stranger.get(f"{PATH}/tile/0/002")["Cache-Control"] == "no-store"


def test_a_partial_tile_is_still_there_when_the_tile_is_full(log, stranger):
    full = stranger.get(f"{PATH}/tile/0/000").content

    assert stranger.get(f"{PATH}/tile/0/000.p/17").content == full[: 17 * 32]


def test_a_bundle_with_a_removed_record_is_not_found(log, stranger, owner):
    with without_triggers(owner, "audit_commandrecord"):
        owner.execute("DELETE FROM audit_commandrecord")

    assert stranger.get(f"{PATH}/tile/entries/000").status_code == 404
    assert stranger.get(f"{PATH}/tile/0/000").status_code == 200


def test_a_checkpoint_has_the_cosignatures_of_its_witnesses(log, stranger):
    witness = Cosigner("witness.example/w1", bytes(32))
    text = notes.parse(log.note).text
    cosignature = witness.cosign(text, at=log.signed_at)
    where = {"log": 1, "size": log.size, "destination": "https://witness.example"}
    written(Publication, cosignature=str(cosignature).rstrip("\n"), **where)
    written(Publication, cosignature="malformed", **where)

    note = notes.parse(stranger.get(f"{PATH}/checkpoint").text)

    assert [each.name for each in notes.verify(note, [witness.verifier]).signatures] == [
        "witness.example/w1"
    ]


def test_the_newest_checkpoint_of_a_witness_is_found(log, stranger, fill_log):
    assert stranger.get(f"{PATH}/witnessed").status_code == 404
    witness = Cosigner("witness.example/w1", bytes(32))
    cosignature = witness.cosign(notes.parse(log.note).text, at=log.signed_at)
    where = {"log": 1, "size": log.size, "destination": "witness.example/w1"}
    written(Publication, cosignature=str(cosignature).rstrip("\n"), **where)
    fill_log(log.size + 5)

    found = stranger.get(f"{PATH}/witnessed")

    assert opened(found).size == log.size < opened(stranger.get(f"{PATH}/checkpoint")).size
    (verified,) = notes.verify(notes.parse(found.text), [witness.verifier]).signatures
    assert verified.name == "witness.example/w1"


def test_reading_the_log_is_not_a_command(log, stranger):
    before = CommandRecord.objects.count()

    stranger.get(f"{PATH}/checkpoint")

    assert CommandRecord.objects.count() == before


def test_without_leaves_there_is_no_checkpoint(stranger):
    assert stranger.get(f"{PATH}/checkpoint").status_code == 404
    assert stranger.get(f"{PATH}/keys").status_code == 404
    assert stranger.get(f"{PATH}/tile/0/000").status_code == 404
