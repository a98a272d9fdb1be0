"""Every output of an exported network is judged: one that is wrong alone is beyond the limits."""

from pathlib import Path

import pytest
import torch

from pipeline.exporters.networks.graphs import network_graph
from pipeline.exporters.networks.parity import Truth, decoder_parity, is_within, renderer_parity
from pipeline.inference.pretrained import student_file
from pipeline.lifter import Lifter

PARITIES = {"decoder": decoder_parity, "renderer": renderer_parity}


class Changed:
    """The network by torch, with one output changed."""

    name, precision = "torch", "float32"

    def __init__(self, lifter: Lifter, network: str, output: str | None, change) -> None:
        self.graph = network_graph(lifter, network, 64)
        self.output, self.change = output, change

    def require_readable(self, path: Path) -> None: ...

    def open(self, path: Path, batch: int | None = None) -> None: ...

    @torch.no_grad()
    def __call__(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outputs = zip(self.graph.outputs, self.graph.module(*inputs), strict=True)
        return tuple(
            self.change(found) if name == self.output else found for name, found in outputs
        )


@pytest.fixture(scope="module")
def truth() -> Truth:
    lifter = Lifter.load(student_file("bundled/puppets_tiny")).requires_grad_(False)
    return Truth.of(lifter, torch.linspace(-1, 1, 64).expand(2, 3, 64, 64))


def measured(truth: Truth, network: str, output: str | None = None, change=None) -> dict:
    session = Changed(truth.lifter, network, output, change)
    return PARITIES[network](truth, session, (1, 2))


@pytest.mark.parametrize("network", ["decoder", "renderer"])
def test_torch_s_own_outputs_are_within_the_limits(truth, network):
    assert is_within(measured(truth, network))


@pytest.mark.parametrize(
    ("network", "output", "change"),
    [
        ("decoder", "colors", lambda found: found + 0.002),
        ("decoder", "density_logit", lambda found: found * 1.01),
        ("decoder", "density", lambda found: found * 1.01),
        ("decoder", "density", torch.zeros_like),
        ("renderer", "view", lambda found: found * 0.9),
        ("renderer", "depth", lambda found: found + 0.01),
        ("renderer", "depth", lambda found: found * torch.nan),
        ("renderer", "opacity", lambda found: found * 0.99),
        ("renderer", "opacity", lambda found: 1 - found),
    ],
)
def test_one_wrong_output_is_beyond_them(truth, network, output, change):
    assert not is_within(measured(truth, network, output, change))


def test_a_single_ray_may_differ_a_little_and_no_more(truth):
    def at_one_pixel(error: float):
        def changed(found: torch.Tensor) -> torch.Tensor:
            found = found.clone()
            found[..., 32, 32] += error
            return found

        return changed

    assert truth.views[0].opacity[:, 0, 32, 32].min() > 0.5
    box = truth.passport.box_size
    for output, unit in (("depth", box), ("opacity", 1.0)):
        assert is_within(measured(truth, "renderer", output, at_one_pixel(0.01 * unit)))
        assert not is_within(measured(truth, "renderer", output, at_one_pixel(0.2 * unit)))
