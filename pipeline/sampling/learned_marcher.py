"""A proposal network trained for a frozen teacher: its file, and the marcher that uses it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.runs.network_file import Described, read_network, write_network
from teachers.checkpoint import teacher_folder
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.learned_sampling import LearnedSampling, march_learned
from teachers.rendering.marching import Field, RayColors, RaySampling
from teachers.rendering.proposal_network import LightProposalNetwork
from teachers.rendering.rendering import RayJitter


@dataclass(frozen=True)
class TrainedProposals:
    """A proposal network and what its file says.

    Attributes:
        network: predicts where samples belong.
        arguments: it was built with.
        passport: of the teacher whose field it learned.
        step: updates so far; 0: untrained, what the probe saw is enlarged.
    """

    network: LightProposalNetwork
    arguments: dict[str, Any]
    passport: Passport
    step: int = 0

    @classmethod
    def untrained(cls, passport: Passport, **arguments: Any) -> "TrainedProposals":
        """For a teacher; `arguments` are `LightProposalNetwork`'s."""
        return cls(LightProposalNetwork(**arguments).eval(), arguments, passport)

    def save(self, path: Path) -> None:
        """One .safetensors file, atomically."""
        described = Described(self.network, self.arguments, self.passport, self.step)
        write_network(path, described, key="proposals")

    @classmethod
    def load(cls, path: Path) -> "TrainedProposals":
        """Reads what `save` wrote, in evaluation mode, without gradients.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is no proposal network's.
        """
        found = read_network(
            path,
            LightProposalNetwork,
            key="proposals",
            noun="proposal network",
            advice="train one for this teacher (`trilift distill experiment=proposals`), and name"
            " its proposals.safetensors as sampler.proposals=",
        )
        network = found.network.requires_grad_(False)
        return cls(network, found.arguments, found.passport, found.step)


class LearnedMarcher:
    """A `RayMarcher` that samples rays where a network, trained for the teacher, predicts matter.

    Of `RaySampling` it takes the ray limits alone.

    Args:
        proposals: a file that `experiment=proposals` wrote ("bundled/TEACHER/…": one that travels
            with trilift), or what it holds.
        samples: of most rays.
        hard_samples: of the hardest.
        hard_share: share of these in an image.
        mass: share of the predicted mass whose bins get samples.
        emptiest: rays of less predicted opacity are left out.

    Raises:
        FileNotFoundError, ValueError: there is no network in the file.
    """

    def __init__(
        self,
        *,
        proposals: str | Path | TrainedProposals,
        samples: int = 8,
        hard_samples: int = 16,
        hard_share: float = 0.15,
        mass: float = 0.99,
        emptiest: float = 0.005,
    ) -> None:
        self.source = "the proposal network"
        if not isinstance(proposals, TrainedProposals):
            self.source = str(proposals)
            proposals = TrainedProposals.load(teacher_folder(proposals))
        self.trained = proposals
        self.counts = LearnedSampling(
            proposals.network.bins + 1,
            samples,
            hard_samples,
            hard_share,
            mass,
            emptiest=emptiest,
        )

    def ray_samples(self, sampling: RaySampling) -> tuple[int, int]:
        """How many numbers of jitter a ray takes (see `Renderer.ray_samples`)."""
        return 0, self.counts.hard_samples

    def require_teacher(self, passport: Passport) -> None:
        """ValueError unless the network was trained for this teacher."""
        self.trained.passport.require_same(passport, mine=self.source, others="the sampled teacher")

    def __call__(
        self,
        field: Field,
        camera: Camera,
        resolution: int,
        sampling: RaySampling,
        jitter: RayJitter | None = None,
    ) -> RayColors:
        """The composited rays of every pixel, row by row."""
        network = self.trained.network.to(camera.cam_to_world.device)
        return march_learned(field, camera, resolution, sampling, network, self.counts, jitter)
