"""The time limit of a training's process."""

from datetime import timedelta
from typing import Any

from lightning.pytorch.callbacks import Timer


class SliceTimer(Timer):
    """A time limit for this process alone: a resumed run gets the whole of it again. (Lightning's
    own, `Trainer(max_time=…)`, saves the time that was used.)

    Args:
        max_time: how long.
    """

    def __init__(self, max_time: timedelta) -> None:
        super().__init__(max_time, interval="step")

    def state_dict(self) -> dict[str, Any]:
        """Empty: the time used is not carried over."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to restore."""
