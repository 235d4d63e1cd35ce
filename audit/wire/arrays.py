"""PostgreSQL arrays as text, written faster than psycopg adapts a list."""

from collections.abc import Iterable


def array(values: Iterable[object]) -> str:
    """Write an array without NULLs as text, to be cast to its type.

    psycopg adapts a list value by value in Python: 1.4 µs for each number, 3 for text and 7 for
    times, of which this saves 1 to 3.5. A chart by hours has 1,440 times.
    """
    quoted = [str(each).replace("\\", "\\\\").replace('"', '\\"') for each in values]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"
