"""Names of keys by what they look like, to find the keys of a customer with similar names."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Self
from uuid import UUID

from django.db import models

from apikeys.models.customers import Customer, Membership
from apikeys.models.keys import ApiKey
from audit.domain import LeanModel, PreparedQuery, confusable_with, skeletons

# A message names fewer.
_MOST_FOUND = 10
# Names written outside of commands, which are compared one by one.
_MOST_UNKNOWN = 1000
_UNKNOWN = UUID(int=0)


class KeyName(LeanModel):
    """The skeletons of a key's name, each as a digest. Untracked: the name has the history.

    A trigger sets both to zero when a name is written; a command then stores those of its name.
    """

    privileges = ("SELECT", "INSERT", "UPDATE")

    api_key = models.OneToOneField(
        ApiKey, on_delete=models.PROTECT, primary_key=True, related_name="skeletons"
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    as_written = models.UUIDField()
    in_small_letters = models.UUIDField()

    class Meta:
        default_permissions = ()
        indexes = (
            models.Index(fields=("customer", "as_written"), name="apikeys_name_as_written"),
            models.Index(fields=("customer", "in_small_letters"), name="apikeys_name_in_small"),
        )

    def __str__(self) -> str:
        return f"skeletons of {self.api_key_id}"

    @classmethod
    def of(cls, api_key: ApiKey) -> Self:
        """Return the row for a key's name, not saved."""
        written, small = digests(api_key.name)
        return cls(
            api_key=api_key,
            customer_id=api_key.customer_id,
            as_written=written,
            in_small_letters=small,
        )

    @classmethod
    def renew(cls, api_key: ApiKey) -> None:
        """Store the skeletons of a new name of a key."""
        written, small = digests(api_key.name)
        values = {
            "customer_id": api_key.customer_id,
            "as_written": written,
            "in_small_letters": small,
        }
        cls.objects.update_or_create(api_key=api_key, defaults=values)


def digests(name: str) -> tuple[UUID, UUID]:
    """Return the digests of a name's skeletons: long skeletons would not fit into an index."""
    written, small = (
        UUID(bytes=blake2b(each.encode(), digest_size=16).digest()) for each in skeletons(name)
    )
    return written, small


def similar_keys(names: Sequence[tuple[UUID, UUID, str]]) -> list[list[ApiKey]]:
    """Return for each name the other keys of the customer with confusable names, by one query.

    A name is given with the id of its key, which may not exist yet, and of its customer.
    """
    if not names:
        return []
    return _found(_SIMILAR.rows(_parameters(names)), names)


def check_new_name(
    *, api_key_id: UUID, customer_id: UUID, owner_id: int, name: str
) -> list[ApiKey]:
    """Return the keys of the customer with names confusable with that of a new key of the owner.

    :raises NotAMember: if the owner does not act for the customer.
    """
    names = [(api_key_id, customer_id, name)]
    rows = _SIMILAR_AND_MEMBERSHIP.rows({"owner": owner_id, **_parameters(names)})
    if not rows[0][0]:
        raise Membership.missing(owner_id)
    (found,) = _found([columns for _, *columns in rows if columns[0] is not None], names)
    return found


_KEYS = f"""
    SELECT given.place::int - 1, key.id, key.name, key.prefix, key.is_known
    FROM unnest(%(ids)s::uuid[], %(customers)s::uuid[], %(written)s::uuid[], %(small)s::uuid[],
            %(names)s::text[])
        WITH ORDINALITY AS given (id, customer, written, small, name, place)
    CROSS JOIN LATERAL (
        (
            SELECT apikeys_apikey.id, name, prefix, true AS is_known
            FROM apikeys_keyname JOIN apikeys_apikey ON apikeys_apikey.id = api_key_id
            WHERE apikeys_keyname.customer_id = given.customer AND deleted_at IS NULL
                AND (as_written = given.written OR in_small_letters = given.small)
                AND apikeys_apikey.id <> given.id
            ORDER BY apikeys_apikey.name = given.name, apikeys_apikey.id LIMIT {_MOST_FOUND}
        ) UNION ALL (
            SELECT apikeys_apikey.id, name, prefix, false
            FROM apikeys_keyname JOIN apikeys_apikey ON apikeys_apikey.id = api_key_id
            WHERE apikeys_keyname.customer_id = given.customer AND deleted_at IS NULL
                AND as_written = '{_UNKNOWN}' AND apikeys_apikey.id <> given.id
            ORDER BY apikeys_apikey.id LIMIT {_MOST_UNKNOWN}
        )
    ) AS key
    ORDER BY 1, 2"""  # noqa: S608  # of constants of ours
_SIMILAR = PreparedQuery(_KEYS)
_SIMILAR_AND_MEMBERSHIP = PreparedQuery(f"""
    SELECT is_member.is_true, similar_key.*
    FROM (
        SELECT EXISTS (
            SELECT FROM apikeys_membership
            WHERE user_id = %(owner)s AND customer_id = (%(customers)s::uuid[])[1]
        ) AS is_true
    ) AS is_member
    LEFT JOIN ({_KEYS}) AS similar_key ON true""")  # noqa: S608  # of the SQL above


def _parameters(names: Sequence[tuple[UUID, UUID, str]]) -> dict[str, Any]:
    ids, customers, texts = zip(*names, strict=True)
    written, small = zip(*map(digests, texts), strict=True)
    return {
        "ids": _array(ids),
        "customers": _array(customers),
        "written": _array(written),
        "small": _array(small),
        "names": list(texts),
    }


def _array(ids: Iterable[UUID]) -> str:
    return f"{{{','.join(map(str, ids))}}}"


def _found(
    rows: Iterable[Sequence[Any]], names: Sequence[tuple[UUID, UUID, str]]
) -> list[list[ApiKey]]:
    """Return for each name the keys in the rows, of the unknown ones those that are confusable."""
    found: list[list[ApiKey]] = [[] for _ in names]
    for place, api_key_id, name, prefix, is_known in rows:
        if is_known or confusable_with(names[place][-1])(name):
            found[place].append(ApiKey(pk=api_key_id, name=name, prefix=prefix))
    return found
