"""What the discriminator is shown."""

import torch

from teachers.eg3d.discriminator import discriminator_input


def test_the_image_comes_first_then_the_raw_one_enlarged_then_the_matte():
    image, raw, opacity = (
        torch.randn(2, 3, 8, 8),
        torch.full((2, 3, 4, 4), 0.3),
        torch.full((2, 1, 8, 8), 0.75),
    )
    shown = discriminator_input(image, raw, opacity)
    assert shown.shape == (2, 7, 8, 8)
    assert torch.equal(shown[:, :3], image)
    assert torch.allclose(shown[:, 3:6], torch.full((2, 3, 8, 8), 0.3))
    assert torch.allclose(shown[:, 6:], torch.full((2, 1, 8, 8), 0.5))


def test_without_super_resolution_and_matte_it_is_the_image():
    image = torch.randn(2, 3, 8, 8)
    assert torch.equal(discriminator_input(image), image)


def test_gradients_reach_both_images():
    """Dual discrimination: the raw image gets a gradient, too."""
    image, raw = (
        torch.randn(1, 3, 8, 8, requires_grad=True),
        torch.randn(1, 3, 4, 4, requires_grad=True),
    )
    discriminator_input(image, raw).square().sum().backward()
    assert image.grad.abs().min() > 0
    assert raw.grad.abs().max() > 0
