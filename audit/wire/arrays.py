"""Arrays of values for PostgreSQL, as long as they are in pictures and chunks of the log."""

from collections.abc import Iterable


def array(values: Iterable[object]) -> str:
    """Write an array as PostgreSQL reads it; it is to be cast to a type. It has no NULLs.

    psycopg adapts a list value by value, in Python: 1.4 µs each for numbers, 3 for text and 7 for
    times, of which this saves 1 to 3.5. A picture by hours has 1,440 times.
    """
    quoted = [str(each).replace("\\", "\\\\").replace('"', '\\"') for each in values]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"
