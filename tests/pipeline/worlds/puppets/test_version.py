import pytest
import torch
from torch.nn import functional as F

from pipeline.worlds.puppets.version import WORLD_VERSION
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.rendering.camera import Camera

QUADRANTS = [
    [0.572, 0.311, 0.578, 0.307, 0.446, 0.208, 0.468, 0.228, 0.358, 0.132, 0.411, 0.183],
    [0.267, 0.073, 0.490, 0.351, 0.395, 0.281, 0.450, 0.321, 0.276, 0.135, 0.410, 0.270],
]
"""Mean colours of the image quadrants of the first two test puppets."""

MEANS = {
    "depth": [1.143, 1.298],
    "opacity": [0.435, 0.496],
    "normal": [0.141, 0.156],
    "part": [1.074, 1.711],
}


def test_a_change_of_the_puppets_raises_the_version_of_their_world():
    """If this fails although the change is meant: raise WORLD_VERSION, and replace the numbers."""
    assert WORLD_VERSION == 1
    camera = Camera.orbit(
        torch.full((2,), 0.4),
        torch.full((2,), 0.1),
        radius=2.7,
        pivot=(0.0, 0.0, 0.0),
        focal=4.2647,
    )
    seeds = WorldSeeds.of(Split.TEST, [0, 1])
    views = PuppetWorld(supersampling=1).render(seeds, camera, 32)
    quadrants = F.adaptive_avg_pool2d(views.image(1.0), 2).flatten(1)
    assert torch.allclose(quadrants, torch.tensor(QUADRANTS), atol=2e-3)
    for name, expected in MEANS.items():
        values = getattr(views, name).float().mean((1, 2, 3))
        assert values.tolist() == pytest.approx(expected, abs=4e-3), name
