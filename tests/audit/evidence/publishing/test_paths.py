import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.evidence.publishing.paths import TilePath, parse_path

# The examples of the specification.
EXAMPLES = {
    "tile/0/000": TilePath(0, 0),
    "tile/0/x001/x234/067": TilePath(0, 1234067),
    "tile/1/003.p/5": TilePath(1, 3, 5),
    "tile/entries/x001/000": TilePath(None, 1000),
    "tile/entries/000.p/255": TilePath(None, 0, 255),
}


@pytest.mark.parametrize(("path", "tile"), EXAMPLES.items())
def test_a_path_names_a_tile(path, tile):
    assert parse_path(path) == tile
    assert str(tile) == path


@given(st.one_of(st.none(), st.integers(0, 7)), st.integers(0, 10**15 - 1), st.integers(1, 256))
def test_each_tile_has_one_path(level, number, width):
    tile = TilePath(level, number, width)

    assert parse_path(str(tile)) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/8/000",
        "tile/0/x000/001",
        "tile/0/x001",
        "tile/0/x001/x002",
        "tile/0/001/002",
        "tile/0/x1/002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/-1",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/\u0660\u0660\u0660",
        "tile/0/000\n",
        "tile/entries/000/",
        "tile/data/000",
        "tile/0/../../checkpoint",
        "tile/0/" + "x999/" * 6 + "999",
        "tile/0/" + "x999/" * 5_000 + "999",
    ],
)
def test_another_path_names_none(path):
    assert parse_path(path) is None


@given(st.text())
def test_any_text_is_a_path_or_none(text):
    parse_path(f"tile/0/{text}")
