"""Scores of what is trained beside a student, in its own words; the best is kept."""

import logging
import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from pipeline.runs.state_keeper import save_again

log = logging.getLogger(__name__)


class KeptBest(Callback, ABC):
    """Scores a module between updates and keeps its `result` where one score is the best so far.

    Args:
        count: of what is scored; 0: nothing is.
        path: of the best.
        every_steps: between two scores; the last update is scored, too.

    Attributes:
        judged_by: name of that score; a larger one is better.
        best, last: its values; -inf before the first.
        all: of the last time, by the names under which they are logged.
    """

    judged_by: str

    def __init__(self, *, count: int, path: Path, every_steps: int) -> None:
        self.count, self.path, self.every_steps = count, path, every_steps
        self.best, self.last = -math.inf, -math.inf
        self.all: dict[str, float] = {}
        self._is_scored = True

    @abstractmethod
    def scores(self, module: Any) -> dict[str, float]:
        """The scores by name; `judged_by` may be missing."""

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Before the state is saved."""
        self._is_scored = False
        step = int(module.step)  # type: ignore[arg-type]
        if step % self.every_steps == 0 or step >= trainer.max_steps > 0:
            self.score(trainer, module)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Scores the last step of a run that its time limit has ended: otherwise a short run would
        keep nothing.
        """
        if not self._is_scored:
            self.score(trainer, module)
            save_again(trainer)

    def score(self, trainer: Trainer, module: Any) -> None:
        """Scores, logs, keeps."""
        self._is_scored = True
        if not self.count:
            return
        scores = self.scores(module)
        self.last = scores.get(self.judged_by, -math.inf)
        if self.last >= self.best and trainer.is_global_zero:
            self.best = self.last
            module.result.save(self.path)
        self.all = {f"validation/{name}": value for name, value in scores.items()}
        for logger in trainer.loggers:
            logger.log_metrics(self.all, step=module.step)
        said = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        log.info("step %d: %s", module.step, said)

    def state_dict(self) -> dict[str, Any]:
        """The best score so far, and the last."""
        return {"best": self.best, "last": self.last}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores them; earlier versions kept the best alone."""
        self.best = state_dict["best"]
        self.last = state_dict.get("last", self.best)
