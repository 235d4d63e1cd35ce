"""Streams: the numbered events of each subject."""

from audit.models.records import StreamHead


def stream_number_sql(*, subject_type: str, subject_id: str) -> str:
    """Return an SQL expression for the number of a subject's last event; null if it has none.

    The subject is given as two SQL expressions.
    """
    return f"""(
        SELECT number FROM {StreamHead._meta.db_table}
        WHERE subject_type = {subject_type} AND subject_id = {subject_id})"""  # noqa: S608  # of our own names
