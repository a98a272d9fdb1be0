"""A fixed set of identities, rendered from ever new cameras (LP3D Table A2: 10,000 are nearly as
good as an unlimited number).
"""

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from pipeline.batch import DistillationBatch
from teachers.rendering.triplane import Triplane

from .cameras import CameraPair
from .draws import Draws, PartialBatch
from .filtered import FilteredSampler
from .random_streams import stream
from .sampler import TeacherSampler
from .source import Sampler, SamplerWrapper

log = logging.getLogger(__name__)

Identity = tuple[Float[Tensor, "1 layer w_dim"], Float[Tensor, "1 3 channel height width"]]
"""ws and planes of one identity."""


class Identities:
    """Sample number → one of `count` identities, and a cache of their planes in host memory.

    An identity's planes are always synthesised in a batch of one, so the bits are the same whether
    they were cached, synthesised again, or synthesised after a restart.

    Args:
        count: size of the set; identity i is that of sample number i without a fixed set.
        shuffled: each round over the set has an order of its own (keyed by the seed); False:
            always 0, 1, 2, …
        memory_gb: size of the cache of each process, in 10⁹ bytes. Identities are cached as they
            come; once it is full, the others are synthesised again each time.
        half: round planes to half precision, cached or not: twice as many fit.
    """

    def __init__(
        self, *, count: int, shuffled: bool = True, memory_gb: float | int = 8.0, half: bool = False
    ) -> None:
        if count < 1:
            raise ValueError(
                f"identities is {count}: at least one identity is needed, or null for endless ones"
            )
        if memory_gb < 0:
            raise ValueError(f"memory_gb is {memory_gb}: 0 is no cache, more is host memory")
        self.count, self.shuffled, self.memory_gb, self.half = count, shuffled, memory_gb, half
        self._attempts: dict[int, int] = {}
        self._kept: dict[int, Identity] = {}
        self._room = int(memory_gb * 1e9)

    def numbers(self, seed: int, samples: Sequence[int]) -> list[int]:
        """The identity of each sample number; every `count` numbers, beginning at a multiple, hold
        each identity once.
        """
        if not self.shuffled:
            return [sample % self.count for sample in samples]
        return [
            int(_order(seed, sample // self.count, self.count)[sample % self.count])
            for sample in samples
        ]

    def attempt(self, identity: int, find: Callable[[int], int]) -> int:
        """The attempt at an identity that a filter accepted, found once."""
        if identity not in self._attempts:
            self._attempts[identity] = find(identity)
        return self._attempts[identity]

    def recall(
        self, identities: Sequence[int], make: Callable[[int], Identity], device: torch.device
    ) -> tuple[Float[Tensor, "batch layer w_dim"], Float[Tensor, "batch 3 channel height width"]]:
        """The ws and planes of some identities.

        Args:
            identities: their numbers.
            make: row → that identity, where it isn't cached.
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
        """The identity as it is returned; cached, if there is room."""
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
                    "%.1f GB keep %d of %d identities, the others are synthesised again each time",
                    self.memory_gb,
                    len(self._kept),
                    self.count,
                )
        return ws, planes

    def fresh(self) -> "Identities":
        """The same settings, an empty cache."""
        return Identities(
            count=self.count, shuffled=self.shuffled, memory_gb=self.memory_gb, half=self.half
        )


class FixedIdentities(SamplerWrapper):
    """A sampler over a fixed set of identities; a filter judges identity i as sample number i.

    Args:
        source: samples without limit, filtered or not.
        identities: the set.
    """

    def __init__(self, source: TeacherSampler | FilteredSampler, identities: Identities) -> None:
        super().__init__(source)
        self.base = source if isinstance(source, TeacherSampler) else source.source
        if self.base.latents.conditioning == "reference":
            raise ValueError(
                "a fixed set of identities can't be conditioned by each sample's own camera: use"
                " conditioning=frontal, or a prior"
            )
        self.identities = identities

    def to(self, device: torch.device) -> "FixedIdentities":
        """Makes its batches on another device; moves the teacher there."""
        self.source.to(device)
        return self

    def draw(self, samples: Sequence[int]) -> Draws:
        """See `Sampler.draw`."""
        numbers = self.identities.numbers(self.base.seed, samples)
        return Draws.cat(
            [
                self.base.draw(
                    [sample], [number], attempt=self.identities.attempt(number, self._attempt)
                )
                for sample, number in zip(samples, numbers, strict=True)
            ]
        )

    @torch.no_grad()
    def __call__(self, samples: Sequence[int]) -> DistillationBatch:
        """The batch of some sample numbers."""
        return self.show(self.draw(samples))

    @torch.no_grad()
    def planes(self, samples: Sequence[int]) -> Triplane:
        """The planes alone of some sample numbers."""
        return self.synthesize(self.draw(samples))

    @torch.no_grad()
    def show(self, draws: Draws) -> DistillationBatch:
        """See `Sampler.show`."""
        return self.base.complete(self._imagine(draws))

    @torch.no_grad()
    def synthesize(self, draws: Draws) -> Triplane:
        """See `Sampler.synthesize`."""
        return self._imagine(draws).triplane

    def with_seed(self, seed: int) -> "FixedIdentities":
        """See `Sampler.with_seed`; the cache starts empty."""
        return FixedIdentities(self.source.with_seed(seed), self.identities.fresh())  # type: ignore[arg-type]

    def for_scores(self, seed: int, *, cameras: CameraPair | None = None) -> Sampler:
        """See `Sampler.for_scores`: of identities outside the set."""
        return self.source.for_scores(seed, cameras=cameras)

    def _attempt(self, identity: int) -> int:
        return self.source.draw([identity]).attempts[0]

    def _imagine(self, draws: Draws) -> PartialBatch:
        """Latents and planes from the cache, or synthesised one by one."""

        def make(row: int) -> Identity:
            made = self.base.imagine(draws[row : row + 1])
            return made.ws, made.triplane.planes

        identities = draws.identities or self.identities.numbers(self.base.seed, draws.samples)
        ws, planes = self.identities.recall(identities, make, self.device)
        return PartialBatch(draws, ws, self.teacher.passport.triplane(planes), {})


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> Int64[np.ndarray, " identity"]:
    return stream(seed, epoch, "identities").permutation(count)
