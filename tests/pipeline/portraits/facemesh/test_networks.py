"""The shipped networks compute what LiteRT computes from the published files.

`tests/fixtures/facemesh_litert.npz` holds outputs of ai-edge-litert 2.3.0 for two inputs each:
`waves` below, and a part of the astronaut's photograph; of long outputs every n-th number.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pipeline.evaluation
from pipeline.portraits.facemesh.detector import PRETRAINED
from pipeline.portraits.facemesh.graph_network import GraphNetwork

ASTRONAUT = Path(pipeline.evaluation.__file__).parent / "examples" / "astronaut.jpg"
KEPT = 500

MOST = {
    "face_detection_short_range": 1e-3,
    "face_detection_full_range": 1e-3,
    "face_landmark": 1e-3,
    "selfie_segmentation": 1e-4,
}
"""Largest difference: pixels of the network's input and logits; of the segmentation, in [0, 1]."""


def inputs(side: int) -> np.ndarray:
    v, u, c = np.meshgrid(np.arange(side), np.arange(side), np.arange(3), indexing="ij")
    waves = np.sin(0.37 * u + 0.11 * v * v / side + c) * np.cos(0.05 * u * c - 0.23 * v)
    pixels = np.asarray(Image.open(ASTRONAUT).convert("RGB"))
    photograph = pixels[:side, 26 : 26 + side] if side < 256 else pixels
    return np.stack([waves, photograph / 127.5 - 1]).astype(np.float32)


@pytest.mark.parametrize("name", MOST)
def test_a_network_gives_litert_s_numbers(repository, name):
    network = GraphNetwork.load(PRETRAINED / f"{name}.safetensors")
    with np.load(repository / "tests" / "fixtures" / "facemesh_litert.npz") as reference:
        for case, image in enumerate(inputs(network.side)):
            outputs = network(torch.from_numpy(image).permute(2, 0, 1)[None])
            for number, output in enumerate(outputs):
                ours = output.movedim(1, -1) if output.dim() == 4 else output
                flat = ours.reshape(-1).numpy()
                expected = reference[f"{name}_{case}_{number}"]
                found = flat[:: max(1, flat.size // KEPT)]
                assert np.abs(expected).max() > 1e-3
                np.testing.assert_allclose(found, expected, atol=MOST[name], rtol=0)


def test_a_network_lets_the_gradient_of_a_picture_through_and_keeps_its_weights():
    network = GraphNetwork.load(PRETRAINED / "face_landmark.safetensors")
    image = torch.rand(1, 3, network.side, network.side, requires_grad=True)
    network(image)[0].sum().backward()
    assert image.grad is not None and image.grad.abs().max() > 0
    assert list(network.parameters()) == []
