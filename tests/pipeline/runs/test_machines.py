"""Work is counted without being done, and divided by a machine's rate."""

import pytest
import torch

from pipeline.runs.machines import Machine, counted


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_a_product_and_its_gradient_are_three_products(device):
    weights = torch.zeros(30, 20, device=device, requires_grad=True)
    x = torch.zeros(10, 30, device=device, requires_grad=True)
    product, forward = counted(lambda: x @ weights)
    _, backward = counted(lambda: product.sum().backward())
    assert forward.flops == 2 * 10 * 30 * 20
    assert backward.flops == 2 * forward.flops
    assert forward.saved_bytes == 4 * (10 * 30 + 30 * 20)


def test_what_is_saved_twice_is_counted_once_and_parameters_are_not():
    x = torch.zeros(1000, requires_grad=True)
    weight = torch.nn.Parameter(torch.zeros(1000))
    _, work = counted(lambda: (x * weight, x * weight))
    assert work.saved_bytes == 4000


def test_rates_follow_from_the_paper_s_ten_days():
    assert Machine.named("A100").tflops == pytest.approx(7.9)
    assert Machine.named("h100").tflops == pytest.approx(25, abs=0.1)
    assert "TOO LITTLE MEMORY" not in Machine.named("a100").caveat(8, 79.0)
    assert "TOO LITTLE MEMORY: about 81 GiB" in Machine.named("a100").caveat(8, 81.0)
    with pytest.raises(ValueError, match="machine is 'tpu': use v100, "):
        Machine.named("tpu")
