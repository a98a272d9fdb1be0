"""Durations for logs, tables and pages."""

import math

UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
UNKNOWN = "–"


def duration(seconds: float | int | None) -> str:
    """Milliseconds or seconds below 90 s, else two neighbouring units: 18 ms, 2.4 s, 1 h 32 min;
    None is a dash.
    """
    if seconds is None:
        return UNKNOWN
    if math.isinf(seconds):
        return "∞"
    if seconds < 0.00005:
        return "< 0.1 ms"
    if seconds < 0.9995:
        return f"{1000 * seconds:.{0 if seconds >= 0.00995 else 1}f} ms"
    if seconds < 89.5:
        return f"{seconds:.{0 if seconds >= 9.95 else 1}f} s"
    whole = round(seconds)
    first = next(index for index, (_, length) in enumerate(UNITS) if whole >= length)
    (name, length), (small_name, small_length) = UNITS[first : first + 2]
    rest = whole % length // small_length
    return f"{whole // length} {name}" + (f" {rest} {small_name}" if rest else "")
