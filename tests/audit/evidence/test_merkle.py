from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.evidence import merkle
from audit.evidence.merkle import DamagedTile, Edge, Frontier, Tile, leaf_hash, node_hash
from tests.transparency import verify_consistency, verify_inclusion

# The test vectors of the reference implementation of RFC 6962 (Certificate Transparency).
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATH_OF_LEAF_0_OF_8 = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]
FROM_6_TO_8 = [
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
]
# More than a tile of tiles, and not a round number.
LARGE = 66_000


class Tree:
    """A tree of numbered entries, whose tiles are kept in a dict."""

    def __init__(self, entries):
        self.leaves = [leaf_hash(entry) for entry in entries]
        self.tiles = {}
        self.append(self.leaves, size=0)

    def append(self, leaves, *, size):
        edge = Edge(size, self.read)
        for leaf in leaves:
            edge.append(leaf)
        self.tiles |= edge.changed
        return edge.root()

    def read(self, level, index):
        return self.tiles[Tile(level, index)]

    def root(self, size):
        return merkle.root(size, self.read)


def numbered(size):
    return [str(number).encode() for number in range(size)]


def naive_root(leaves):
    """Return the root by the definition of RFC 6962, section 2.1."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    middle = 1
    while middle * 2 < len(leaves):
        middle *= 2
    return node_hash(naive_root(leaves[:middle]), naive_root(leaves[middle:]))


@pytest.fixture(scope="module")
def large():
    return Tree(numbered(LARGE))


@pytest.mark.parametrize("size", range(9))
def test_the_root_is_that_of_the_reference_implementation(size):
    tree = Tree(ENTRIES[:size])

    assert tree.root(size).hex() == ROOTS[size]


def test_the_proofs_are_those_of_the_reference_implementation():
    tree = Tree(ENTRIES)

    inclusion = merkle.inclusion_proof(0, 8, tree.read)
    consistency = merkle.consistency_proof(6, 8, tree.read)

    assert [node.hex() for node in inclusion] == PATH_OF_LEAF_0_OF_8
    assert [node.hex() for node in consistency] == FROM_6_TO_8


@given(st.integers(0, 700))
def test_the_root_is_that_of_the_definition(size):
    tree = Tree(numbered(size))

    assert tree.root(size) == naive_root(tree.leaves)


@given(st.lists(st.integers(1, 600), max_size=4))
def test_leaves_can_be_appended_in_batches(batches):
    tree, size = Tree([]), 0
    leaves = [leaf_hash(entry) for entry in numbered(sum(batches))]

    for batch in batches:
        root = tree.append(leaves[size : size + batch], size=size)
        size += batch
        assert root == naive_root(leaves[:size])

    assert tree.tiles == Tree(numbered(size)).tiles
    assert {tile: len(hashes) // 32 for tile, hashes in tree.tiles.items()} == merkle.tiles_of(size)


@given(st.data())
def test_each_leaf_is_included_in_each_tree_that_has_it(large, data):
    size = data.draw(st.integers(1, LARGE))
    index = data.draw(st.integers(0, size - 1))

    proof = merkle.inclusion_proof(index, size, large.read)

    assert verify_inclusion(large.leaves[index], index, size, proof, large.root(size))


@given(st.data())
def test_each_tree_extends_every_smaller_one(large, data):
    new = data.draw(st.integers(0, LARGE))
    old = data.draw(st.integers(0, new))

    proof = merkle.consistency_proof(old, new, large.read)

    assert verify_consistency(old, new, large.root(old), large.root(new), proof)


@given(st.data())
def test_an_altered_inclusion_proof_is_invalid(large, data):
    size = data.draw(st.integers(2, LARGE))
    index, other = data.draw(st.permutations(range(min(size, 300))))[:2]
    proof = merkle.inclusion_proof(index, size, large.read)
    leaf, root = large.leaves[index], large.root(size)

    assert not verify_inclusion(large.leaves[other], index, size, proof, root)
    assert not verify_inclusion(leaf, other, size, proof, root)
    assert not verify_inclusion(leaf, index, size, proof, bytes(32))
    assert not verify_inclusion(leaf, index, size, proof[:-1], root)
    assert not verify_inclusion(leaf, index, size, [*proof, proof[0]], root)
    assert not verify_inclusion(leaf, index, size, [bytes(32), *proof[1:]], root)
    assert not verify_inclusion(leaf, index, index, proof, root)
    assert not verify_inclusion(leaf, -1, size, proof, root)


@given(st.data())
def test_an_altered_consistency_proof_is_invalid(large, data):
    new = data.draw(st.integers(2, LARGE))
    old = data.draw(st.integers(1, new - 1))
    proof = merkle.consistency_proof(old, new, large.read)
    before, after = large.root(old), large.root(new)

    assert not verify_consistency(old, new, bytes(32), after, proof)
    assert not verify_consistency(old, new, before, bytes(32), proof)
    assert not verify_consistency(old, new, before, after, proof[:-1])
    assert not verify_consistency(old, new, before, after, [*proof, proof[0]])
    assert not verify_consistency(old, new, before, after, [bytes(32), *proof[1:]])
    assert not verify_consistency(new, old, after, before, proof)
    assert not verify_consistency(old, new, before, after, [])


def test_trees_of_the_same_size_are_consistent_if_they_are_equal():
    assert verify_consistency(3, 3, b"root", b"root", [])
    assert not verify_consistency(3, 3, b"root", b"other", [])
    assert not verify_consistency(3, 3, b"root", b"root", [bytes(32)])
    assert verify_consistency(0, 3, merkle.EMPTY_ROOT, b"root", [])


def test_a_tree_that_is_read_once_has_the_same_roots_and_nodes(large):
    frontier, nodes = Frontier(), {}

    for size, leaf in enumerate(large.leaves):
        if size % 997 == 0:
            assert frontier.root() == large.root(size)
        nodes |= frontier.append(leaf)

    assert frontier.root() == large.root(LARGE)
    assert nodes == {
        Tile(tile.level, tile.number * 256 + at): hashes[at * 32 : at * 32 + 32]
        for tile, hashes in large.tiles.items()
        for at in range(len(hashes) // 32)
        if tile.level
    }


def test_only_the_tiles_at_the_edge_are_read():
    tree = Tree(numbered(600))
    read = []

    edge = Edge(600, lambda *tile: read.append(tile) or tree.read(*tile))
    edge.append(bytes(32))

    assert read == [(0, 2)]
    assert edge.changed == {Tile(0, 2): tree.read(0, 2) + bytes(32)}


@pytest.mark.parametrize("stored", [b"", bytes(31), bytes(64)], ids=len)
def test_a_tile_of_another_width_is_not_appended_to(stored):
    edge = Edge(1, lambda *_: stored)

    with pytest.raises(DamagedTile):
        edge.append(bytes(32))


def test_a_tile_that_is_too_short_has_no_root():
    with pytest.raises(DamagedTile):
        merkle.root(3, lambda *_: bytes(64))


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_a_leaf_outside_of_the_tree_has_no_proof(index, size):
    with pytest.raises(ValueError, match=f"{size} leaves has no leaf {index}"):
        merkle.inclusion_proof(index, size, Tree(numbered(3)).read)


@pytest.mark.parametrize(("old", "new"), [(4, 3), (-1, 3)])
def test_a_smaller_tree_does_not_extend_a_larger_one(old, new):
    with pytest.raises(ValueError, match="does not extend"):
        merkle.consistency_proof(old, new, Tree(numbered(4)).read)
