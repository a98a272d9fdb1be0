"""Where the time goes between a frame's capture and its display."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from .packets import STAGES

RECEIVER_STAGES = ("received", "decoded", "rendered", "displayed")
NAMES = {
    "tracked": "wait, track and crop",
    "lifted": "lift",
    "encoded": "encode",
    "sent": "wait for the network",
    "received": "network",
    "decoded": "decode",
    "rendered": "wait and render",
    "displayed": "display",
}
"""What ends with each stamp."""

PERCENTILES = (50, 90, 99)


class LatencyBudget:
    """Stamps of displayed frames → percentiles of each stage.

    Args:
        most: frames that are remembered; the newest.
    """

    def __init__(self, most: int = 20_000) -> None:
        self._stamps: deque[tuple[int, ...]] = deque(maxlen=most)

    def add(self, sender: Sequence[int], receiver: Sequence[int]) -> None:
        """One frame: the sender's `STAGES` and `RECEIVER_STAGES`, µs of one clock."""
        self._stamps.append((*sender, *receiver))

    def __len__(self) -> int:
        return len(self._stamps)

    def record(self) -> dict[str, Any]:
        """Milliseconds by stage, in total, and frames a second, for JSON; {} without frames."""
        if not self._stamps:
            return {}
        stamps = np.array(self._stamps, np.float64) / 1000
        names = (*STAGES, *RECEIVER_STAGES)[1:]
        spans = dict(zip((NAMES[name] for name in names), stamps[:, 1:].T - stamps[:, :-1].T))  # noqa: B905
        spans["capture to display"] = stamps[:, -1] - stamps[:, 0]
        shown = np.sort(stamps[:, -1])
        seconds = (shown[-1] - shown[0]) / 1000
        gaps = np.diff(shown)
        return {
            "frames": len(stamps),
            "frames_per_second": round(float((len(stamps) - 1) / seconds), 2) if seconds else None,
            "largest_gap_ms": round(float(gaps.max()), 1) if len(gaps) else None,
            "milliseconds": {
                name: {f"p{p}": round(float(np.percentile(span, p)), 2) for p in PERCENTILES}
                for name, span in spans.items()
            },
        }

    def table(self) -> str:
        """The same as Markdown."""
        record = self.record()
        if not record:
            return "no frame was displayed"
        head = "| stage | " + " | ".join(f"p{p}, ms" for p in PERCENTILES) + " |"
        rows = [
            f"| {name} | " + " | ".join(f"{span[f'p{p}']:.1f}" for p in PERCENTILES) + " |"
            for name, span in record["milliseconds"].items()
        ]
        rate = record["frames_per_second"]
        return "\n".join([head, "|---|" + "---|" * len(PERCENTILES), *rows, f"{rate} frames/s"])
