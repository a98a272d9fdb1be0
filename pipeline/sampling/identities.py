"""A fixed set of identities, seen from ever new cameras (LP3D Table A2: 10,000 of them are nearly
as good as endless ones).
"""

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .random_streams import stream

log = logging.getLogger(__name__)

Identity = tuple[Float[Tensor, "1 layer w_dim"], Float[Tensor, "1 3 channel height width"]]
"""ws and planes of one identity."""


class Identities:
    """Sample number → one of `count` identities, and their planes, kept where they fit.

    An identity's planes are always made alone, in a batch of one, so they are the same bits whether
    they were kept, made again, or made after a restart.

    Args:
        count: how many identities there are; identity i is the one whom sample number i shows
            without this mode.
        shuffled: go through all of them in another order each time (keyed by the seed); False:
            always 0, 1, 2, …
        memory_gb: host memory for kept planes, of each process, in 10⁹ bytes. Whoever comes first
            is kept; once it is full, the others are made again each time.
        half: round planes to half precision, kept or not: twice as many fit.
    """

    def __init__(
        self, *, count: int, shuffled: bool = True, memory_gb: float | int = 8.0, half: bool = False
    ) -> None:
        if count < 1:
            raise ValueError(
                f"identities is {count}: at least one identity is needed, or null for endless ones"
            )
        if memory_gb < 0:
            raise ValueError(f"memory_gb is {memory_gb}: 0 keeps nobody, more is host memory")
        self.count, self.shuffled, self.memory_gb, self.half = count, shuffled, memory_gb, half
        self._attempts: dict[int, int] = {}
        self._kept: dict[int, Identity] = {}
        self._room = int(memory_gb * 1e9)

    def numbers(self, seed: int, samples: Sequence[int]) -> list[int]:
        """The identity whom each sample number shows: every `count` numbers, beginning at a
        multiple, show everybody once.
        """
        if not self.shuffled:
            return [sample % self.count for sample in samples]
        return [
            int(_order(seed, sample // self.count, self.count)[sample % self.count])
            for sample in samples
        ]

    def attempt(self, identity: int, find: Callable[[int], int]) -> int:
        """Which attempt at an identity a filter took, found once."""
        if identity not in self._attempts:
            self._attempts[identity] = find(identity)
        return self._attempts[identity]

    def recall(
        self, identities: Sequence[int], make: Callable[[int], Identity], device: torch.device
    ) -> tuple[Float[Tensor, "batch layer w_dim"], Float[Tensor, "batch 3 channel height width"]]:
        """The ws and planes of some identities.

        Args:
            identities: their numbers.
            make: row → that identity, if nobody has kept it.
            device: where the result goes.
        """
        found = [
            self._kept[identity] if identity in self._kept else self._keep(identity, make(row))
            for row, identity in enumerate(identities)
        ]
        return torch.cat([ws.to(device) for ws, _ in found]), torch.cat(
            [planes.to(device).float() for _, planes in found]
        )

    def _keep(self, identity: int, made: Identity) -> Identity:
        """The identity as it will be given out; kept, if there is room."""
        ws, planes = made[0], made[1].half() if self.half else made[1]
        size = ws.nbytes + planes.nbytes
        if size <= self._room:
            self._room -= size
            self._kept[identity] = (
                ws.to("cpu", copy=True).contiguous(),
                planes.to("cpu", copy=True).contiguous(),
            )
            if size > self._room and len(self._kept) < self.count:
                log.info(
                    "%.1f GB keep %d of %d identities, the others are made again each time",
                    self.memory_gb,
                    len(self._kept),
                    self.count,
                )
        return ws, planes

    def fresh(self) -> "Identities":
        """The same settings, nobody kept."""
        return Identities(
            count=self.count, shuffled=self.shuffled, memory_gb=self.memory_gb, half=self.half
        )


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> Int64[np.ndarray, " identity"]:
    return stream(seed, epoch, "identities").permutation(count)
