"""Merkle trees (RFC 6962) whose hashes are stored in tiles (C2SP tlog-tiles).

A function that reads takes ``read_tile(level, number)``, which returns the hashes of a tile one
after the other. The tile may be wider than the tree of that size needs, but not narrower.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple, TypeAlias

#: A tile holds up to 256 hashes: the nodes 8 * level above the leaves.
HEIGHT = 8
WIDTH = 2**HEIGHT
HASH_SIZE = 32

#: The root of the tree without leaves.
EMPTY_ROOT = sha256(b"").digest()

ReadTile: TypeAlias = Callable[[int, int], bytes]


class Tile(NamedTuple):
    """The place of a tile: its level, 0 for hashes of leaves, and its number from the left."""

    level: int
    number: int


class DamagedTile(ValueError):
    """A stored tile does not hold as many hashes as the tree needs."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def root(size: int, read_tile: ReadTile) -> bytes:
    """Return the root of the tree of the first ``size`` leaves."""
    return _range_hash(0, size, read_tile) if size else EMPTY_ROOT


def tiles_of(size: int) -> dict[Tile, int]:
    """Return every tile of the tree, with the number of its hashes, the leaves' tiles first."""
    widths: dict[Tile, int] = {}
    level, nodes = 0, size
    while nodes:
        widths |= {Tile(level, number): WIDTH for number in range(nodes // WIDTH)}
        if nodes % WIDTH:
            widths[Tile(level, nodes // WIDTH)] = nodes % WIDTH
        level, nodes = level + 1, nodes // WIDTH
    return widths


def inclusion_proof(index: int, size: int, read_tile: ReadTile) -> list[bytes]:
    """Return the audit path of a leaf, from the leaf upwards (RFC 6962, section 2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}")
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(middle, end, read_tile))
            end = middle
        else:
            path.append(_range_hash(start, middle, read_tile))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, read_tile: ReadTile) -> list[bytes]:
    """Return the proof that the tree of size ``new`` extends that of ``old`` (section 2.1.2)."""
    if not 0 <= old <= new:
        raise ValueError(f"A tree of {new} leaves does not extend one of {old}")
    if old == 0:
        return []
    start, end, path = 0, new, []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_hash(middle, end, read_tile))
            end = middle
        else:
            path.append(_range_hash(start, middle, read_tile))
            start = middle
    if start:
        path.append(_range_hash(start, end, read_tile))
    return path[::-1]


class Edge:
    """The right edge of a tree while leaves are appended.

    ``changed`` holds each tile that has to be stored again, with all of its hashes.
    """

    def __init__(self, size: int, read_tile: ReadTile) -> None:
        self.size = size
        self._read_tile = read_tile
        self._open: dict[Tile, bytearray] = {}

    @property
    def changed(self) -> dict[Tile, bytes]:
        return {tile: bytes(hashes) for tile, hashes in self._open.items()}

    def append(self, leaf: bytes) -> None:
        """Append the hash of a leaf, and those of the nodes that it completes."""
        level, nodes, computed = 0, self.size, leaf
        self.size += 1
        while True:
            hashes = self._tile(level, nodes)
            hashes += computed
            if (nodes + 1) % WIDTH:
                return
            computed = _complete(hashes)
            level, nodes = level + 1, nodes // WIDTH

    def root(self) -> bytes:
        return root(self.size, self._read)

    def _tile(self, level: int, nodes: int) -> bytearray:
        tile, width = Tile(level, nodes // WIDTH), nodes % WIDTH
        if tile not in self._open:
            stored = self._read_tile(*tile) if width else b""
            if len(stored) != width * HASH_SIZE:
                raise DamagedTile(f"{tile} has {len(stored)} bytes instead of {width} hashes")
            self._open[tile] = bytearray(stored)
        return self._open[tile]

    def _read(self, level: int, number: int) -> bytes:
        hashes = self._open.get(Tile(level, number))
        return self._read_tile(level, number) if hashes is None else bytes(hashes)


class Frontier:
    """A tree while its leaves are read once: it keeps only the roots of its complete subtrees."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[tuple[int, bytes]] = []

    def append(self, leaf: bytes) -> list[tuple[Tile, bytes]]:
        """Append the hash of a leaf; return the roots of the tiles' subtrees that it completes.

        Each has the level and the number that it has as a node: one level above its tile.
        """
        height, computed, completed = 0, leaf, []
        self.size += 1
        while self._subtrees and self._subtrees[-1][0] == height:
            height, computed = height + 1, node_hash(self._subtrees.pop()[1], computed)
            if height % HEIGHT == 0:
                place = Tile(height // HEIGHT, (self.size >> height) - 1)
                completed.append((place, computed))
        self._subtrees.append((height, computed))
        return completed

    def root(self) -> bytes:
        if not self._subtrees:
            return EMPTY_ROOT
        *others, (_, computed) = self._subtrees
        for _, left in reversed(others):
            computed = node_hash(left, computed)
        return computed


def _split(size: int) -> int:
    """Return the largest power of two below ``size``."""
    return 1 << ((size - 1).bit_length() - 1)


def _range_hash(start: int, end: int, read_tile: ReadTile) -> bytes:
    """Return the hash of the leaves from ``start`` to ``end``, a subtree of the tree."""
    size = end - start
    if not size & (size - 1):
        height = size.bit_length() - 1
        return _node(height, start >> height, read_tile)
    middle = start + _split(size)
    return node_hash(_range_hash(start, middle, read_tile), _range_hash(middle, end, read_tile))


def _node(height: int, index: int, read_tile: ReadTile) -> bytes:
    """Return the root of a complete subtree: the ``index``-th of those with 2**height leaves."""
    level, above = divmod(height, HEIGHT)
    first, count = index << above, 1 << above
    offset = first % WIDTH * HASH_SIZE
    tile = Tile(level, first // WIDTH)
    hashes = read_tile(*tile)[offset : offset + count * HASH_SIZE]
    if len(hashes) != count * HASH_SIZE:
        raise DamagedTile(f"{tile} ends before hash {first % WIDTH + count}")
    return _complete(hashes)


def _complete(hashes: bytes | bytearray) -> bytes:
    """Return the root of a complete tree from the hashes of one of its rows."""
    row = [bytes(hashes[at : at + HASH_SIZE]) for at in range(0, len(hashes), HASH_SIZE)]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]
