"""The settings with a made-up environment, for mypy's Django plugin, which imports them."""

import os

os.environ.update(
    SECRET_KEY="for mypy",
    ALLOWED_HOSTS="localhost",
    DATABASE_URL="postgresql://nobody@/none",
    EVIDENCE_KEY="A" * 43 + "=",
    FINGERPRINT_KEY="A" * 44,
    PAYLOAD_KEYS="k1:" + "A" * 44,
    LOG_KEYS="k1:" + "A" * 43 + "=",
    WEBHOOK_KEYS="k1:" + "A" * 44,
)

from config.settings import *  # noqa: F403
