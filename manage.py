#!/usr/bin/env python
"""The command line: every command works on a fresh machine, without any setting."""

import os
import sys

from django.core.management import execute_from_command_line

from config.first_run import preparing
from config.first_run.postgres_programs import ServerUnavailable


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        preparing.prepare_command_line()
    except ServerUnavailable as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
