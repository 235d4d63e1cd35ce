"""Calls between files of the product, counted at run time: how far a reader has to jump."""

import sys
from collections import Counter

from tests.structure import APPS, ROOT

_PLACES = tuple(f"{ROOT}/{app}/" for app in APPS)
_DRIVER = (f"{ROOT}/config/postgresql/", f"{ROOT}/audit/wire/loaders.py")


def calls_between_files(act):
    """Return a Counter of (caller, file, function) of each call into another file of the product.

    Frames of libraries between two files are skipped, and so are those of the database backend and
    the loaders of values, which only libraries call; comprehensions and lambdas belong to the
    function around them.
    """
    stack, calls = [""], Counter()

    def profile(frame, event, _):
        file, name = frame.f_code.co_filename, frame.f_code.co_name
        if not file.startswith(_PLACES) or file.startswith(_DRIVER) or name.startswith("<"):
            return
        if event == "call":
            if stack[-1] != file:
                calls[stack[-1], file, name] += 1
            stack.append(file)
        elif event == "return" and len(stack) > 1:
            stack.pop()

    sys.setprofile(profile)
    try:
        act()
    finally:
        sys.setprofile(None)
    return calls
