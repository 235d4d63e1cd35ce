"""The memory of a worker of the web server as it handles requests."""

from benchmarks import clients, serving
from benchmarks.suite.measuring import Measuring
from benchmarks.suite.progress import Progress
from benchmarks.suite.results import Goal, Result

_FEW, _MANY, _QUICK_MANY = 1_000, 100_000, 5_000
_BATCH = 1_000


def memory(measuring: Measuring) -> list[Result]:
    """Read and write by turns, and weigh the worker after few and after many requests."""
    many = _QUICK_MANY if measuring.is_quick else _MANY
    with serving.running(measuring.stage.database, workers=1) as server:
        workload = clients.Workload(measuring.stage.secrets, measuring.stage.served)
        progress, weights = Progress("requests to one worker", total=many), {}
        for sent in range(_BATCH, many + 1, _BATCH):
            clients.send(server.address, workload, requests=_BATCH)
            weights[sent] = server.worker_megabytes()
            progress.tell(sent)
    growth = (weights[many] / weights[_FEW] - 1) * 100
    note = f"{weights[_FEW]:.1f} MB after {_FEW:,} requests, {weights[many]:.1f} MB after {many:,}."
    goal = Goal(
        f"memory of one worker after {many:,} requests", "after 1,000: grown by", 5, 10, "less", "%"
    )
    return [Result(row="memory", goal=goal, measured=growth, note=note)]
