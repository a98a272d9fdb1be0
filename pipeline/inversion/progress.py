"""Who else than the terminal hears how far a descent is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Report = Callable[[str, int, int], None]
"""Title of the descent, updates made, updates in all."""

_REPORT: ContextVar[Report | None] = ContextVar("report", default=None)


@contextmanager
def reporting(report: Report) -> Iterator[None]:
    """Within it, `report` is called after every step of every descent of this thread."""
    token = _REPORT.set(report)
    try:
        yield
    finally:
        _REPORT.reset(token)


def tell(title: str, step: int, steps: int) -> None:
    """Calls whoever listens."""
    report = _REPORT.get()
    if report is not None:
        report(title, step, steps)
