"""A proposal network trained for a frozen teacher: its file, and the marcher that uses it."""

from pathlib import Path

from pipeline.runs.network_file import TrainedNetwork
from teachers.checkpoint import teacher_folder
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.learned_sampling import LearnedSampling, march_learned
from teachers.rendering.marching import Field, RayColors, RaySampling
from teachers.rendering.proposal_network import LightProposalNetwork
from teachers.rendering.rendering import RayJitter


class TrainedProposals(TrainedNetwork[LightProposalNetwork]):
    """A proposal network; untrained, it enlarges what the probe saw."""

    build = LightProposalNetwork
    key, noun = "proposals", "proposal network"
    advice = (
        "train one for this teacher (`trilift distill experiment=proposals`), and name its"
        " proposals.safetensors as sampler.proposals="
    )


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
