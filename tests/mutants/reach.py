"""Which tests reach which lines, measured once for a state of the code and kept."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

from coverage import CoverageData

APPS = ("audit", "approvals", "apikeys")


class Reach:
    """The tests of each line, and how long each test takes."""

    def __init__(self, lines: dict[str, dict[str, list[str]]], seconds: dict[str, float]) -> None:
        self._lines, self._seconds = lines, seconds

    @classmethod
    def measured(cls, checkout: Path, kept: Path) -> "Reach":
        """Run the suite in a checkout under coverage, unless `kept` has the result."""
        if not kept.exists():
            report = checkout / "durations.xml"
            sources = [f"--cov={app}" for app in APPS]
            subprocess.run(
                [
                    *(sys.executable, "-m", "pytest", "--numprocesses", "2", "--quiet"),
                    *("-m", "not matrix"),
                    *("--cov-context=test", "--cov-report=", f"--junitxml={report}"),
                    *("-o", "junit_family=xunit1", "--deselect", "tests/test_calls.py"),
                    *("--ignore", "tests/browser", *sources),
                ],
                cwd=checkout,
                check=False,
            )
            kept.write_text(json.dumps([_lines(checkout), _seconds(report)]))
        return cls(*json.loads(kept.read_text()))

    def tests_of(self, path: str, first: int, last: int, *, seconds: float) -> list[str]:
        """Return the tests that reach the lines: those of the mirrored folder, then fast ones.

        They take at most `seconds` together, as far as can be told from the last run.
        """
        lines = self._lines.get(path, {})
        reaching = {test for line in range(first, last + 1) for test in lines.get(str(line), ())}
        # A line of a class or a module runs during import, for which coverage names no test.
        reaching = reaching or {test for tests in lines.values() for test in tests}
        mirrored = f"tests/{Path(path).parent}"
        chosen, left = [], seconds
        for test in sorted(reaching, key=lambda t: (not t.startswith(mirrored), self._time(t))):
            left -= self._time(test)
            if left < 0 and chosen:
                break
            chosen.append(test)
        return chosen

    def _time(self, test: str) -> float:
        return self._seconds.get(test, 1.0)


def _lines(checkout: Path) -> dict[str, dict[int, list[str]]]:
    data = CoverageData(str(checkout / ".coverage"))
    data.read()
    found: dict[str, dict[int, list[str]]] = defaultdict(dict)
    for file in data.measured_files():
        path = str(Path(file).relative_to(checkout))
        for line, contexts in data.contexts_by_lineno(file).items():
            tests = sorted({context.rpartition("|")[0] for context in contexts} - {""})
            found[path][line] = tests
    return found


def _seconds(report: Path) -> dict[str, float]:
    cases = ET.parse(report).iter("testcase")
    return {f"{case.get('file')}::{case.get('name')}": float(case.get("time")) for case in cases}
