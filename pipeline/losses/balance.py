"""A discriminator's accuracy: one that is always right, or only guesses, teaches nothing."""

import logging
from typing import Any

from jaxtyping import Float
from torch import Tensor

log = logging.getLogger(__name__)

WINS = 0.98
"""Running accuracy from which on the discriminator is saturated: whatever the learner does, it is
recognised.
"""

LOSES = 0.52
"""Running accuracy up to which the discriminator guesses."""


class Balance:
    """The discriminator's running accuracy, an exponential moving average; warns once of each
    extreme.

    Args:
        half_life: of the average, steps. There are no warnings in the first two half-lives.
        learner: what is trained against the discriminator, for the warnings.

    Attributes:
        accuracy: mean of the shares of real and of fake images that were classified correctly, in
            [0, 1].
    """

    def __init__(self, *, half_life: float = 200.0, learner: str = "student") -> None:
        self.half_life = half_life
        self.learner = learner
        self.accuracy = 0.75
        self._steps = 0
        self._warned: list[str] = []

    def follow(
        self,
        real_logits: Float[Tensor, "picture 1"],
        fake_logits: Float[Tensor, "picture 1"],
        step: int,
    ) -> float:
        """Updates the average by one step's logits (positive: classified as real); returns it."""
        right = (
            float((real_logits > 0).float().mean()) + float((fake_logits < 0).float().mean())
        ) / 2
        self.accuracy += (1 - 0.5 ** (1 / self.half_life)) * (right - self.accuracy)
        self._steps += 1
        if self._steps > 2 * self.half_life:
            self._report(step)
        return self.accuracy

    def _report(self, step: int) -> None:
        if self.accuracy >= WINS:
            self._warn(
                "wins",
                step,
                f"the {self.learner} learns little from it: lower the discriminator's learning"
                " rate, or raise r1_gamma",
            )
        if self.accuracy <= LOSES:
            self._warn(
                "loses",
                step,
                f"it guesses: raise its learning rate or lower r1_gamma, unless the {self.learner}"
                " is perfect",
            )

    def _warn(self, what: str, step: int, advice: str) -> None:
        if what not in self._warned:
            self._warned.append(what)
            log.warning(
                "step %d: the discriminator %s outright (%.0f %% of the images are classified"
                " correctly); %s",
                step,
                what,
                self.accuracy * 100,
                advice,
            )

    def state_dict(self) -> dict[str, Any]:
        """The average and the warnings that were given."""
        return {"accuracy": self.accuracy, "steps": self._steps, "warned": list(self._warned)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores a `state_dict`."""
        self.accuracy, self._steps, self._warned = (
            float(state["accuracy"]),
            int(state["steps"]),
            list(state["warned"]),
        )
