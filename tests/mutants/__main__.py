"""Draw mutants, run the tests that reach each, and print which were noticed."""

import argparse
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.changes import Mutant, mutants_of
from tests.mutants.reach import Reach

ROOT = Path(__file__).resolve().parent.parent.parent
# Where an unnoticed change would cost most.
KEY_MODULES = (
    "audit/bus",
    "audit/log",
    "approvals/decisions",
    "approvals/models",
    "approvals/people",
    "approvals/policies",
    "approvals/requests",
    "approvals/sealing",
    "apikeys/authentication",
    "apikeys/models",
    "apikeys/rights.py",
)


def main() -> None:
    options = _options()
    files = [file for each in options.modules for file in _files(ROOT / each)]
    sample = _sample(files, options.sample, random.Random(options.seed))
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        copies = [_copy(Path(scratch) / str(number)) for number in range(options.jobs)]
        kept = Path(tempfile.gettempdir()) / f"countersign-reach-{_state()}.json"
        with contextlib.ExitStack() as servers:
            for copy in copies:
                servers.enter_context(_database_server(copy))
            reach = Reach.measured(copies[0], kept)
            _report(_run(sample, copies, reach, options.seconds))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", default=KEY_MODULES, help="files and folders")
    parser.add_argument("--sample", type=int, default=150, help="number of mutants (150)")
    parser.add_argument("--seed", type=int, default=1, help="which sample to draw (1)")
    parser.add_argument("--seconds", type=float, default=20, help="of tests for a mutant (20)")
    parser.add_argument("--jobs", type=int, default=2, help="mutants tested at a time (2)")
    return parser.parse_args()


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.glob("*.py"))


def _sample(files: list[Path], size: int, chance: random.Random) -> list[Mutant]:
    """Draw from each file as many mutants as its share of them all."""
    names = [str(file.relative_to(ROOT)) for file in files]
    possible = {name: mutants_of(name, (ROOT / name).read_text()) for name in names}
    total = sum(map(len, possible.values()))
    drawn = []
    for mutants in possible.values():
        share = round(size * len(mutants) / total)
        drawn += chance.sample(mutants, min(share, len(mutants)))
    chance.shuffle(drawn)
    print(f"{total} mutants in {len(files)} files; {len(drawn)} drawn", flush=True)
    return drawn


def _state() -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return commit.stdout.strip()


def _copy(target: Path) -> Path:
    """Copy the files under version control, so that no mutant is ever left in the checkout."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    for name in files.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


@contextlib.contextmanager
def _database_server(copy: Path) -> Iterator[None]:
    """Keep the copy's database server running, which would otherwise start for each mutant."""
    keep = "import sys; from config.first_run import preparing; preparing.prepare(); print()"
    with subprocess.Popen(
        [sys.executable, "-c", f"{keep}; sys.stdout.flush(); sys.stdin.read()"],
        cwd=copy,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        yield
        process.stdin.close()


def _run(
    sample: list[Mutant], copies: list[Path], reach: Reach, seconds: float
) -> dict[Mutant, str]:
    """Return what became of each mutant; each copy tests one at a time."""
    free: SimpleQueue[Path] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def judge(mutant: Mutant) -> str:
        tests = reach.tests_of(mutant.path, mutant.first_line, mutant.last_line, seconds=seconds)
        copy = free.get()
        try:
            return _verdict(copy, mutant, tests, seconds)
        finally:
            free.put(copy)

    verdicts: dict[Mutant, str] = {}
    with ThreadPoolExecutor(len(copies)) as pool:
        for mutant, verdict in zip(sample, pool.map(judge, sample), strict=True):
            verdicts[mutant] = verdict
            print(f"{len(verdicts):4}/{len(sample)} {verdict:9} {mutant}", flush=True)
    return verdicts


def _verdict(copy: Path, mutant: Mutant, tests: list[str], seconds: float) -> str:
    file = copy / mutant.path
    original = file.read_text()
    file.write_text(mutant.apply(original))
    try:
        if "/models/" in mutant.path and _exit_code(copy, _MIGRATIONS, 60):
            return "noticed"
        if not tests:
            return "unreached"
        return "noticed" if _exit_code(copy, [*_TESTS, *tests], 60 + 5 * seconds) else "survived"
    finally:
        file.write_text(original)


_MIGRATIONS = [sys.executable, "manage.py", "makemigrations", "--check", "--dry-run"]
_TESTS = [
    *(sys.executable, "-m", "pytest", "--exitfirst", "--quiet", "-m", "not matrix"),
    *("--numprocesses", "0", "-p", "no:randomly", "-p", "no:cacheprovider"),
]


def _exit_code(copy: Path, command: list[str], seconds: float) -> int:
    """Return the exit code; a command that does not end in time counts as failed."""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "RACE_ROUNDS": "5"}
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            env=environment,
            timeout=seconds,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return 1
    return done.returncode


def _report(verdicts: dict[Mutant, str]) -> None:
    by_folder: dict[str, Counter[str]] = {}
    for mutant, verdict in verdicts.items():
        by_folder.setdefault(str(Path(mutant.path).parent), Counter())[verdict] += 1
    print(f"\n{'folder':32}{'tried':>7}{'noticed':>9}")
    for folder, counts in sorted(by_folder.items()):
        print(f"{folder:32}{counts.total():7}{counts['noticed']:9}")
    noticed = sum(verdict == "noticed" for verdict in verdicts.values())
    print(f"{'all':32}{len(verdicts):7}{noticed:9}  {noticed / len(verdicts):.1%}")
    print("\nNot noticed:")
    for mutant, verdict in verdicts.items():
        if verdict != "noticed":
            print(f"  {mutant}" + (" (no test reaches it)" if verdict == "unreached" else ""))


if __name__ == "__main__":
    main()
