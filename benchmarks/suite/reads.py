"""The cost of authentication, compared with the same view without it and with other packages."""

import statistics

from benchmarks.rivals.contenders import contenders
from benchmarks.suite.crew import crew_of, interleaved
from benchmarks.suite.measuring import Measuring
from benchmarks.suite.results import Figures, Goal, Result
from benchmarks.suite.timing import one_after_another

_CREDENTIALS = 2000
_GOALS = {
    "djangorestframework-api-key": ("djangorestframework-api-key 3.1.0", 2.3, 1.8),
    "knox": ("django-rest-knox 5.1.0", 4.0, 3.0),
    "REST framework's token": ("the REST framework's token", 3.0, 2.0),
}
_OURS = {
    "countersign": "authentication",
    "countersign, no rate limits": "authentication with our rate limits off",
}
_ALONE = (
    "The time of a view that requires a credential, minus that of the same view without one; "
    "{count:,} credentials of each kind. Ours also checks scopes, permissions, networks and two "
    "rate limits."
)
_WHOLE = "With the view included: {:.2f} x its requests per second."


def read(measuring: Measuring) -> list[Result]:
    """Measure a read with authentication against the same without."""
    sides = {
        "key, authenticated": "get /api/v2/api-keys/{key}",
        "key, without authentication": "get /open/api-keys/{key}",
        "empty view, authenticated": "get /closed/nothing",
        "empty view, without authentication": "get /open/nothing",
    }
    with crew_of(1, measuring.stage) as crew:
        cases = {name: (crew, case) for name, case in sides.items()}
        found = list(interleaved(cases, **measuring.rounds, label="reading a key").values())
    same = "the same view without authentication"
    notes = "One query for the caller, one for the key.", "One query, for the caller."
    whats = "authenticated read of one key", "authenticated request to an empty view"
    return [
        Result(
            row="read",
            goal=Goal(what, same, 0.45, 0.4),
            measured=closed.rate / opened.rate,
            sides=[closed, opened],
            note=note,
        )
        for what, note, closed, opened in zip(whats, notes, found[::2], found[1::2], strict=True)
    ]


def authentication(measuring: Measuring) -> list[Result]:
    """Measure authentication against that of other packages."""
    shown = contenders(_CREDENTIALS)
    times = one_after_another(shown, repeats=measuring.repeats, label="authentication")
    medians = {name: statistics.median(each) for name, each in times.items()}
    figures = {name: Figures.of(name, [1000 / medians[name]], times[name]) for name in times}
    return [
        _authentication(ours, what, name, medians, figures)
        for ours, what in _OURS.items()
        for name in _GOALS
    ]


def _authentication(
    ours: str, what: str, rival: str, medians: dict[str, float], figures: dict[str, Figures]
) -> Result:
    against, goal, least = _GOALS[rival]
    nothing = medians["nobody"]
    whole = _WHOLE.format(medians[rival] / medians[ours])
    return Result(
        row="authentication",
        goal=Goal(what, against, goal, least),
        measured=(medians[rival] - nothing) / (medians[ours] - nothing),
        sides=[figures[ours], figures[rival], figures["nobody"]],
        note=f"{_ALONE.format(count=_CREDENTIALS)} {whole}",
    )
