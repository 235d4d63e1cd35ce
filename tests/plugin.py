"""What must be so before pytest-django reads the settings: an environment and a database."""

import os
import tempfile

from config.first_run import preparing

preparing.prepare()

# Pages must render without collected static files, of which whitenoise wants the directory.
_static_root = tempfile.TemporaryDirectory(prefix="countersign-static-")
os.environ["STATIC_ROOT"] = _static_root.name
os.environ["STATIC_MANIFEST"] = "false"

# No test runs as long: those that are about it write down themselves what was noted.
os.environ["USAGE_FLUSH_SECONDS"] = str(24 * 60 * 60)
