"""The transparency log on the auditors' pages: the place of a command in it, and its progress."""
