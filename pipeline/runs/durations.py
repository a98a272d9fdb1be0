"""Durations as people read them."""

import math

UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def duration(seconds: float) -> str:
    """Milliseconds or seconds below 90 s, else the two largest units: 18 ms, 2.4 s, 1 h 32 min."""
    if math.isinf(seconds):
        return "∞"
    if seconds < 0.00005:
        return "< 0.1 ms"
    if seconds < 0.9995:
        return f"{1000 * seconds:.{0 if seconds >= 0.00995 else 1}f} ms"
    if seconds < 89.5:
        return f"{seconds:.{0 if seconds >= 9.95 else 1}f} s"
    left = round(seconds)
    parts: list[str] = []
    for name, length in UNITS:
        if left >= length:
            parts.append(f"{left // length} {name}")
            left %= length
    return " ".join(parts[:2])
