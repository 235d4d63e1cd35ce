"""All performance goals, measured in one run and compared with other software."""
