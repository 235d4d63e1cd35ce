"""The environment and database that pytest-django needs before it reads the settings."""

import os
import tempfile

from config.first_run import preparing

preparing.prepare()

# Pages must render without collected static files; whitenoise requires the directory.
_static_root = tempfile.TemporaryDirectory(prefix="countersign-static-")
os.environ["STATIC_ROOT"] = _static_root.name
os.environ["STATIC_MANIFEST"] = "false"

# Longer than any test: tests of last use flush the notes themselves.
os.environ["USAGE_FLUSH_SECONDS"] = str(24 * 60 * 60)
