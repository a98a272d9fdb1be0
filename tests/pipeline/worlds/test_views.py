import torch

from pipeline.worlds.views import mean_samples
from teachers.rendering.camera import Camera


def test_a_pixel_is_the_mean_of_its_samples_and_depth_of_those_that_hit() -> None:
    samples = torch.zeros(1, 4, 8)
    samples[0, :2, :3], samples[0, :2, 6] = 0.5, torch.tensor([2.0, 4.0])
    samples[0, 3, 7] = 5
    views = mean_samples(
        samples,
        torch.tensor([[True, True, False, False]]),
        torch.zeros(1, 3, 1, 1),
        Camera.orbit(torch.zeros(1), torch.zeros(1)),
        2,
    )
    assert views.opacity.item() == 0.5
    assert views.depth.item() == 3.0
    assert views.color.flatten().tolist() == [0.25] * 3
    assert views.part.item() == 5
