"""The tiles of a log, read from its leaves and nodes, which are written once."""

from functools import cache

from django.db import connection

from audit.evidence.merkle import HASH_SIZE, WIDTH, ReadTile, Tile
from audit.evidence.models import Leaf, TreeNode

_TILE = """
    SELECT coalesce(string_agg(hash, ''::bytea ORDER BY "index"), ''::bytea) FROM {table}
    WHERE log = %(log)s {level} AND "index" >= %(first)s AND "index" < %(first)s + {width}
"""
_OF_LEAVES = _TILE.format(table=Leaf._meta.db_table, level="", width=WIDTH)
_OF_NODES = _TILE.format(table=TreeNode._meta.db_table, level="AND level = %(level)s", width=WIDTH)


def reader(log: int) -> ReadTile:
    """Return the function that reads the tiles of a log, each of them once."""

    @cache
    def read_tile(level: int, number: int) -> bytes:
        values = {"log": log, "level": level, "first": number * WIDTH}
        with connection.cursor() as cursor:
            cursor.execute(_OF_NODES if level else _OF_LEAVES, values)
            (hashes,) = cursor.fetchone()
        return bytes(hashes)

    return read_tile


def new_nodes(log: int, changed: dict[Tile, bytes], *, size: int) -> list[TreeNode]:
    """Return the nodes above the leaves that were added to a tree of this size before."""
    return [
        TreeNode(log=log, level=tile.level, index=index, hash=hashes[at : at + HASH_SIZE])
        for tile, hashes in changed.items()
        if tile.level
        for at in range(0, len(hashes), HASH_SIZE)
        if (index := tile.number * WIDTH + at // HASH_SIZE) >= size // WIDTH**tile.level
    ]
