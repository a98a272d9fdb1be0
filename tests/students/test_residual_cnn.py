import inspect

import pytest
import torch

from pipeline.build.configuration import compose, instantiate
from students.attention import SegformerBlock
from students.residual_cnn import ResidualConvolutions, mixing_blocks


def student(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return instantiate(compose("distill", f"student={name}").student)


def test_without_transformers_the_student_has_as_many_parameters_within_two_percent():
    sizes = {
        name: sum(weight.numel() for weight in student(name).parameters())
        for name in ("tiny", "tiny_cnn")
    }
    assert sizes["tiny_cnn"] == pytest.approx(sizes["tiny"], rel=0.02)


def test_nothing_attends_and_everything_else_is_the_same():
    transformer, convolutional = student("tiny"), student("tiny_cnn")
    assert not any(isinstance(module, SegformerBlock) for module in convolutional.modules())
    assert sum(
        isinstance(module, ResidualConvolutions) for module in convolutional.modules()
    ) == sum(isinstance(module, SegformerBlock) for module in transformer.modules())

    def others(network):
        return {
            name: weight.shape
            for name, weight in network.named_parameters()
            if ".blocks." not in name
        }

    assert others(convolutional) == others(transformer)


def test_it_predicts_planes_and_all_of_it_learns():
    network = student("tiny_cnn")
    planes = network(torch.rand(2, 3, 64, 64) * 2 - 1)
    assert planes.shape == (2, 3, 16, 64, 64)
    planes.square().mean().backward()
    assert all(
        weight.grad is not None and torch.isfinite(weight.grad).all()
        for weight in network.parameters()
    )


def test_a_block_sees_two_pixels_far():
    block = ResidualConvolutions(dim=4, hidden=8)
    block.norm = torch.nn.Identity()
    picture = torch.zeros(1, 4, 9, 9, requires_grad=True)
    block(picture)[0, 0, 4, 4].backward()
    rows = picture.grad.abs().sum((0, 1, 3)).nonzero().flatten().tolist()
    assert rows == [2, 3, 4, 5, 6]


def test_an_unknown_kind_of_blocks_is_named():
    with pytest.raises(
        ValueError, match="mixing is 'pooling', known are 'attention' and 'convolution'"
    ):
        inspect.unwrap(mixing_blocks)("pooling", 1, dim=4, heads=1, mlp_ratio=1.0)
