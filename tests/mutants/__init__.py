"""Mutation testing: change the code in one place, and see whether a test fails.

`make mutants` draws a seeded sample of such changes, and runs for each only the tests that reach
the changed lines. A change that no test notices is a gap in the tests, or makes no difference.
"""
