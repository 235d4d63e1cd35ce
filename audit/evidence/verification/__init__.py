"""Verification of the database against the transparency log: every record, leaf and checkpoint."""
