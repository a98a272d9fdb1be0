import copy

import pytest
import torch
from torch import nn

from pipeline.distillation.muon import COEFFICIENTS, ITERATIONS, MuonWithAdam, orthogonalised
from pipeline.distillation.optimizer import StudentOptimizer
from teachers.toy import ToyTeacher
from tests.builders import tiny_lifter


def groups_of(network: nn.Module, *, lr: float = 1e-2) -> list[dict[str, object]]:
    matrices = [p for p in network.parameters() if p.ndim >= 2]
    rest = [p for p in network.parameters() if p.ndim < 2]
    return [
        {"params": matrices, "lr": lr, "muon": True},
        {"params": rest, "lr": lr, "muon": False},
    ]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        (model(x) - 1).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("shape", [(2, 6, 6), (1, 5, 40), (3, 40, 5)])
def test_singular_values_move_to_about_one(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    values = torch.linalg.svdvals(orthogonalised(matrices))
    assert float(values.min()) > 0.3 and float(values.max()) < 1.25
    assert float(torch.linalg.svdvals(matrices[0]).max()) < 0.02


def test_singular_vectors_stay():
    u, _, v = torch.linalg.svd(torch.randn(7, 7, generator=torch.Generator().manual_seed(1)))
    values = torch.linspace(0.2, 1.0, 7)
    done = u.mT @ orthogonalised((u * values @ v)[None])[0] @ v.mT
    assert float((done - torch.diag(done.diagonal())).abs().max()) < 1e-4


def test_small_singular_values_keep_their_precision():
    """The squared matrices of the iteration hold a singular value of 1e-4 as 1e-8."""
    generator = torch.Generator().manual_seed(2)
    matrices = torch.randn(1, 48, 96, generator=generator) * torch.logspace(0, -4, 48)[:, None]
    x = matrices.double() / matrices.norm()
    for _ in range(ITERATIONS):  # of Jordan et al., as they write it
        a, b, c = COEFFICIENTS
        x = a * x + b * (x @ x.mT) @ x + c * (x @ x.mT) @ (x @ x.mT) @ x
    assert float((orthogonalised(matrices) - x).abs().max()) < 1e-3 * float(x.abs().max())


def test_groups_without_muon_are_adams():
    ours, torchs = network(), network()
    groups = groups_of(ours)
    for group in groups:
        group["muon"] = False
    train(ours, MuonWithAdam(groups), range(5))
    train(torchs, torch.optim.Adam(torchs.parameters(), lr=1e-2), range(5))
    for a, b in zip(ours.parameters(), torchs.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_first_update_of_a_kernel_is_its_orthogonalised_gradient():
    model = network()
    before = model[0].weight.detach().clone()
    optimizer = MuonWithAdam(groups_of(model, lr=0.1))
    train(model, optimizer, range(1))
    gradient = model[0].weight.grad.flatten(1)
    expected = orthogonalised(gradient[None])[0] * 0.1 * 0.2 * 27**0.5
    assert torch.allclose((before - model[0].weight).flatten(1), expected, atol=1e-6)


def test_a_restored_state_continues_bit_by_bit():
    whole, half = network(), network()
    train(whole, MuonWithAdam(groups_of(whole)), range(6))
    first = MuonWithAdam(groups_of(half))
    train(half, first, range(3))
    second = MuonWithAdam(groups_of(half))
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    train(half, second, range(3, 6))
    for a, b in zip(whole.parameters(), half.parameters(), strict=True):
        assert torch.equal(a, b)


def test_parameters_without_a_gradient_stay():
    model = network()
    before = model[3].weight.detach().clone()
    optimizer = MuonWithAdam(groups_of(model))
    model[0](torch.ones(1, 3, 8, 8)).sum().backward()
    optimizer.step()
    assert torch.equal(model[3].weight, before)


def test_a_student_gives_kernels_to_muon_and_depthwise_kernels_and_biases_to_adam():
    lifter = tiny_lifter(ToyTeacher(plane_resolution=32))
    optimizer = StudentOptimizer(muon=True).build(lifter)
    by_id = {
        id(p): (group["name"], group["muon"])
        for group in optimizer.param_groups
        for p in group["params"]
    }
    assert len(by_id) == len(list(lifter.parameters()))
    for name, parameter in lifter.encoder.named_parameters():
        is_matrix = parameter.ndim >= 2 and "depthwise" not in name
        assert by_id[id(parameter)][1] == is_matrix, name
    for parameter in lifter.renderer.parameters():
        assert by_id[id(parameter)] == ("renderer", False)
