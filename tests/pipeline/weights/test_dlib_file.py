"""The reader of dlib's file, on one written here with random numbers, and the network that takes
them.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pipeline.losses.dlib_resnet import SIDE, DlibResNet
from pipeline.weights.dlib_file import read_dlib_resnet


def integer(value: int) -> bytes:
    content = abs(value).to_bytes((abs(value).bit_length() + 7) // 8 or 1, "little")
    return bytes([len(content) | (0x80 if value < 0 else 0)]) + content


def text(name: str) -> bytes:
    return integer(len(name)) + name.encode()


def tensor(array: np.ndarray) -> bytes:
    sizes = b"".join(integer(size) for size in (array.size, 1, 1, 1))
    return integer(2) + sizes + array.astype("<f4").tobytes()


@pytest.fixture(scope="module")
def network() -> DlibResNet:
    torch.manual_seed(0)
    network = DlibResNet().requires_grad_(False).eval()
    for scale, shift in zip(network.scales, network.shifts, strict=True):
        scale.uniform_(0.5, 1.5)
        shift.normal_(0, 0.1)
    return network


@pytest.fixture(scope="module")
def file(network) -> bytes:
    parts = [b"\1\1\1\x0dloss_metric_2" + integer(-28)]
    layers = zip(network.convolutions, network.scales, network.shifts, strict=True)
    for layer, scale, shift in layers:
        weights = np.concatenate([layer.weight.numpy().ravel(), layer.bias.numpy()])
        filters, side = layer.out_channels, layer.kernel_size[0]
        parts += [text("con_4"), tensor(weights), *map(integer, (filters, side, side, 2, 2, 0, 0))]
        parts += [text("affine_"), tensor(np.concatenate([scale.numpy(), shift.numpy()]))]
    parts += [text("fc_2"), integer(128), integer(256), tensor(network.linear.weight.numpy().T)]
    return b"".join(parts)


def test_the_weights_come_out_by_the_network_s_names(network, file):
    found = read_dlib_resnet(file)
    state = network.state_dict()
    assert set(found) == set(state)
    for name, array in found.items():
        np.testing.assert_array_equal(array, state[name].numpy())


def test_a_truncated_file_and_another_network_are_refused(file):
    for end in (0, 100, len(file) // 2, len(file) - 1):
        with pytest.raises(ValueError, match="network"):
            read_dlib_resnet(file[:end])
    with pytest.raises(ValueError, match="network"):
        read_dlib_resnet(file[file.index(b"con_4") + 5 :])


def test_the_network_shrinks_as_dlib_s_and_lets_the_gradient_through(network):
    face = torch.rand(2, 3, SIDE, SIDE, requires_grad=True)
    embedding = network(face)
    assert embedding.shape == (2, 128)
    embedding.sum().backward()
    assert face.grad is not None and face.grad.abs().max() > 0
    first = F.max_pool2d(network.convolutions[0](face), 3, 2)
    assert first.shape[-2:] == (35, 35)
