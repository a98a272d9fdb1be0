"""The loss of whole inversions over their steps, with both kernels: `python -m
tests.benchmarks.inversion_curves OUTPUT.json [full|tiny]`. What is known is written after each.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pipeline  # noqa: F401 (how threads wait is decided before torch is loaded)
from tests.benchmarks.measuring import Unavailable
from tests.benchmarks.work import write

STEPS = {
    "hybrid": {"refinement.steps": 50},
    "w": {"search.steps": 450},
    "pti": {"search.steps": 450, "tuning.steps": 350},
}
"""The published ones; the hybrid's own."""


def main() -> None:
    """Measures, and writes."""
    scale = sys.argv[2] if len(sys.argv) > 2 else "full"
    curves(scale, lambda found: write(Path(sys.argv[1]), found))


def curves(scale: str, save: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Every method on one test puppet: {"method", "kernels", "seconds", "losses"} by name."""
    from tests.benchmarks.works_lifting import method, models, photograph, samples_of
    from tests.benchmarks.works_teacher import KERNELS, chosen

    parts, found = models(), {}
    image, camera = photograph(parts.teacher.passport)
    for name, published in STEPS.items():
        steps = published if scale == "full" else dict.fromkeys(published, 2)
        if name != "hybrid":
            steps = {**steps, "search.samples": samples_of(scale)}
        lifting = method(name, steps, parts)
        for kernels in KERNELS:
            try:
                with chosen(kernels):
                    started = time.perf_counter()
                    portrait = lifting.lift(image, camera)
                    seconds = time.perf_counter() - started
            except Unavailable:
                continue
            found[f"{name}, {kernels}"] = {
                "method": lifting.title,
                "kernels": kernels,
                "seconds": [seconds],
                "losses": list(portrait.losses),
            }
            save(found)
    return found


if __name__ == "__main__":
    main()
