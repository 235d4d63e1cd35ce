"""Drift: where rows, their history and their events disagree, and the process that looks for it."""
