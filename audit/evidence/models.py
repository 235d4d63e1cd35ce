"""The transparency log: leaves, nodes of the tree, signed checkpoints, keys and publications.

All of it is written once, by processes that have LOG_KEYS. The owner of the database could still
change it: what detects that are checkpoints that are kept elsewhere.
"""

from django.db import models
from django.db.models.functions import Now

from audit.models.constraints import check, one_line, within_calendar
from audit.models.records import AppendOnly
from audit.models.transaction_ids import TransactionIdField

LONGEST_NOTE = 16_000


class TransparencyLog(AppendOnly):
    """A log that one server writes. It has the number of the epoch in which it begins.

    Its first leaf is a commitment to the last checkpoint of the former log, if there is one.
    """

    number = models.IntegerField(primary_key=True)
    origin = models.TextField(unique=True)
    began_at = models.DateTimeField()
    former = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    former_size = models.BigIntegerField(null=True)

    class Meta:
        default_permissions = ()
        constraints = (
            check("audit_log_number", "number >= 1 AND former_id < number AND former_size >= 1"),
            check("audit_log_time", within_calendar("began_at")),
            check("audit_log_origin", "origin <> ''", one_line("origin", longest=250)),
            check("audit_log_former", "(former_id IS NULL) = (former_size IS NULL)"),
        )

    def __str__(self) -> str:
        return self.origin


class Leaf(AppendOnly):
    """A leaf of a log: its hash, and the record that it is made from.

    A record is found by ``position``. The leaf of a log or of a key has none. Each field that is
    in the leaf as a digest has a salt of its own, computed from ``salt``.
    """

    class Kind(models.IntegerChoices):
        LOG = 0
        COMMAND = 1
        EVENT = 2
        KEY = 3

    pk = models.CompositePrimaryKey("log", "index")
    # In this order, no byte is lost to alignment.
    index = models.BigIntegerField()
    position = models.BigIntegerField(null=True)
    log = models.IntegerField()
    kind = models.SmallIntegerField(choices=Kind.choices)
    hash = models.BinaryField()
    salt = models.BinaryField(null=True)

    class Meta:
        default_permissions = ()
        constraints = (
            # A record has one leaf, in one log: a later log continues after the former one.
            models.UniqueConstraint(fields=("position",), name="audit_leaf_record_once"),
            check(
                "audit_leaf_form",
                '"index" >= 0 AND octet_length(hash) = 32',
                "CASE WHEN kind IN (1, 2) THEN position IS NOT NULL AND salt IS NOT NULL"
                " AND octet_length(salt) = 16"
                " ELSE kind IN (0, 3) AND position IS NULL AND salt IS NULL END",
            ),
        )

    def __str__(self) -> str:
        return f"leaf {self.index} of log {self.log}"


class TreeNode(AppendOnly):
    """The root of a full subtree of 256 to the power of ``level`` leaves, from level 1 up."""

    pk = models.CompositePrimaryKey("log", "level", "index")
    index = models.BigIntegerField()
    log = models.IntegerField()
    level = models.SmallIntegerField()
    hash = models.BinaryField()

    class Meta:
        default_permissions = ()
        constraints = (
            check(
                "audit_treenode_form",
                'level BETWEEN 1 AND 7 AND "index" >= 0 AND octet_length(hash) = 32',
            ),
        )

    def __str__(self) -> str:
        return f"node {self.level}/{self.index} of log {self.log}"


class SignedCheckpoint(AppendOnly):
    """A signed size and root of a log, and the place of the last record in it."""

    pk = models.CompositePrimaryKey("log", "size")
    size = models.BigIntegerField()
    position = models.BigIntegerField()
    xid = TransactionIdField()
    epoch = models.IntegerField()
    log = models.IntegerField()
    signed_at = models.DateTimeField()
    root = models.BinaryField()
    note = models.TextField()

    class Meta:
        default_permissions = ()
        constraints = (
            check(
                "audit_signed_form",
                "size >= 1 AND octet_length(root) = 32 AND epoch >= 0 AND position >= 0",
                f"length(note) <= {LONGEST_NOTE}",
            ),
            check("audit_signed_time", within_calendar("signed_at")),
        )

    def __str__(self) -> str:
        return f"log {self.log} with {self.size} leaves"


class LogKey(AppendOnly):
    """A leaf by which the signatures of a key begin or end: its public key, as verifiers read it.

    All keys stay published, with the time between their two leaves.
    """

    pk = models.CompositePrimaryKey("log", "index")
    log = models.IntegerField()
    index = models.BigIntegerField()
    verifier_key = models.TextField()
    begins = models.BooleanField()
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = (
            check("audit_logkey_text", "verifier_key <> ''", one_line("verifier_key", longest=400)),
            check("audit_logkey_time", within_calendar("at")),
        )

    def __str__(self) -> str:
        return f"{self.verifier_key}, from leaf {self.index} on"


class Publication(AppendOnly):
    """An attempt to send a checkpoint to a destination outside.

    One that failed has no ``accepted_at``, and the reason in ``answer``. ``cosignature`` is the
    signature line of a witness.
    """

    log = models.IntegerField()
    size = models.BigIntegerField()
    destination = models.TextField()
    attempted_at = models.DateTimeField(db_default=Now())
    accepted_at = models.DateTimeField(null=True)
    answer = models.TextField(blank=True)
    cosignature = models.TextField(blank=True)

    class Meta:
        default_permissions = ()
        constraints = (
            check(
                "audit_publication_form",
                "size >= 1 AND destination <> ''",
                one_line("destination", "answer", "cosignature", longest=8_000),
            ),
            check(
                "audit_publication_time",
                within_calendar("attempted_at"),
                f"(accepted_at IS NULL OR {within_calendar('accepted_at')})",
            ),
        )
        indexes = (
            models.Index(fields=("log", "size"), name="audit_publication_checkpoint"),
            models.Index(fields=("destination", "-attempted_at"), name="audit_publication_last"),
        )

    def __str__(self) -> str:
        return f"log {self.log} with {self.size} leaves to {self.destination}"


class LogWriter(models.Model):
    """The digest of a secret that a process shows before it writes rows of the log.

    The secret is derived from a key of LOG_KEYS: see `sequencing.writing`.
    """

    privileges = ("SELECT", "INSERT", "DELETE")

    digest = models.BinaryField(primary_key=True)

    class Meta:
        default_permissions = ()
        constraints = (check("audit_logwriter_form", "octet_length(digest) = 32"),)

    def __str__(self) -> str:
        return bytes(self.digest).hex()
