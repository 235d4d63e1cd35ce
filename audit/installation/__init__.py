"""Installation in a project: its settings, and what they mean for the log and for approvals."""
