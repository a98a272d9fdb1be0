"""The identity loss: its crop, its values for equal and other faces, both kinds of files."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from safetensors.torch import save_file
from torch import nn

from pipeline.losses.identity import EG3D_FACE_BOX, IdentityLoss, crop_face, face_network
from pipeline.losses.identity_distance import IdentityDistanceLoss
from pipeline.losses.iresnet import IResNet
from pipeline.losses.onnx_network import OnnxNetwork
from pipeline.losses.weighted_sum import WeightedSum
from teachers.rendering.rendering import Rendering

ARCFACE_TEMPLATE = [
    (38.2946, 51.6963),
    (73.5318, 51.5014),
    (56.0252, 71.7366),
    (41.5493, 92.3655),
    (70.7299, 92.2041),
]
"""Eyes, nose and corners of the mouth in the 112² crop."""

MEAN_FACE = [
    (-0.3115, 0.2904),
    (0.3098, 0.2897),
    (0.0033, -0.0462),
    (-0.2522, -0.3813),
    (0.2485, -0.3813),
]
"""The same points of the mean face of Deng et al. (2019), y up; EG3D aligns to it at 300 pixels a
unit and crops 700.
"""


@pytest.fixture(scope="module")
def network() -> IResNet:
    """Random, one block a stage, with statistics that are neither 0 nor 1."""
    torch.manual_seed(0)
    network = IResNet((1, 1, 1, 1), embedding=16).requires_grad_(False).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.uniform_(0.5, 1.5)
    return network


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    torch.save(
        {
            name: value.half() if value.is_floating_point() else value
            for name, value in network.state_dict().items()
        },
        folder / "half.pth",
    )
    save_file(network.state_dict(), folder / "face.safetensors")
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, 112, 112),),
        folder / "face.onnx",
        dynamo=False,
        input_names=["input.1"],
    )
    return folder


def rendering(image: torch.Tensor) -> Rendering:
    return Rendering(image, image, image, image[:, :1], image[:, :1])


def pictures(seed: int, size: int = 64) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.rand(2, 3, size, size) * 2 - 1


def test_the_box_brings_a_frontal_eg3d_face_to_arcfaces_template():
    left, top, right, bottom = EG3D_FACE_BOX
    for (x, y), (u, v) in zip(MEAN_FACE, ARCFACE_TEMPLATE, strict=True):
        at = (0.5 + x * 300 / 700, 0.5 - y * 300 / 700)
        assert (at[0] - left) / (right - left) * 112 == pytest.approx(u, abs=1)
        assert (at[1] - top) / (bottom - top) * 112 == pytest.approx(v, abs=1)


def test_the_crop_shows_the_box_and_nothing_else():
    image = torch.full((1, 3, 40, 40), -1.0)
    image[..., 10:30, 5:25] = 1.0
    assert torch.equal(crop_face(image, (0.125, 0.25, 0.625, 0.75)), torch.ones(1, 3, 112, 112))
    assert crop_face(image, (0, 0, 1, 1)).mean().item() == pytest.approx(
        image.mean().item(), abs=0.02
    )


@pytest.mark.parametrize(
    "file, tolerance", [("face.safetensors", 1e-6), ("half.pth", 2e-2), ("face.onnx", 1e-4)]
)
def test_every_kind_of_file_gives_the_embeddings_of_the_network(folder, network, file, tolerance):
    loss = IdentityLoss(weights_folder=folder, file=file)
    image = pictures(0)
    expected = network(crop_face(image, EG3D_FACE_BOX))
    assert (loss.embed(image) - expected).abs().max() < tolerance * expected.abs().max()


@pytest.mark.parametrize("file", ["face.safetensors", "face.onnx"])
def test_gradients_reach_the_prediction_and_nothing_else(folder, file):
    loss = IdentityLoss(weights_folder=folder, file=file)
    prediction, target = pictures(0).requires_grad_(), pictures(1).requires_grad_()
    value = loss(rendering(prediction), rendering(target))
    value.backward()
    assert 0 < value.item() < 2
    assert (
        prediction.grad[..., 32].abs().max() > 0 and (prediction.grad[..., :6] == 0).all()
    )  # left of the box nothing counts
    assert target.grad is None
    assert loss(rendering(target), rendering(target)).item() == pytest.approx(0, abs=1e-5)
    losses = WeightedSum({"identity": loss})
    assert losses.state_dict() == {} and not list(losses.parameters())


def test_it_is_the_cosine(folder, network):
    one, other = (
        network(crop_face(pictures(seed), EG3D_FACE_BOX)).numpy().astype(np.float64)
        for seed in (0, 1)
    )
    cosine = (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    loss = IdentityLoss(weights_folder=folder, file="face.safetensors")
    assert loss(rendering(pictures(0)), rendering(pictures(1))).item() == pytest.approx(
        1 - cosine.mean(), abs=1e-5
    )


def test_iresnet50_has_the_published_size():
    with torch.device("meta"):
        assert (
            round(sum(parameter.numel() for parameter in IResNet().parameters()) / 1e6, 2) == 43.59
        )


def test_another_state_dict_and_a_wrong_box_are_refused(tmp_path):
    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "resnet.safetensors")
    with pytest.raises(ValueError, match=r"is not an iresnet of insightface's arcface_torch"):
        IdentityLoss(weights_folder=tmp_path, file="resnet.safetensors")
    for box in ([0.5, 0, 0.4, 1], [0, 0, 1], [-0.1, 0, 1, 1]):
        with pytest.raises(ValueError, match="expected left < right"):
            IdentityLoss(weights_folder=tmp_path, file="resnet.safetensors", face_box=box)
        with pytest.raises(ValueError, match="expected left < right"):
            IdentityDistanceLoss(weights_folder=tmp_path, face_box=box)


def write_graph(path, nodes, weights, axes="nchw"):
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [*"nchw"]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [*axes]),
    ]
    initializers = [
        numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()
    ]
    graph = helper.make_graph(nodes, "face", ends[:1], ends[1:], initializers)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), path
    )
    return path


def test_operators_mean_what_onnx_says(tmp_path):
    """Every operator once, against ONNX's own reference."""
    random = np.random.default_rng(0)
    weights = {
        "kernel": random.normal(size=(4, 1, 3, 3)).astype(np.float32),
        "bias": random.normal(size=4).astype(np.float32),
        "channel": random.uniform(0.5, 1.5, 4).astype(np.float32),
        "slope": random.normal(size=(4, 1, 1)).astype(np.float32),
        "two": np.float32(2.0),
        "shape": np.array([0, 4, -1], np.int64),
        "matrix": random.normal(size=(5, 48)).astype(np.float32),
        "row": random.normal(size=5).astype(np.float32),
        "last": random.normal(size=(5, 3)).astype(np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Sub", ["x", "two"], ["a0"]),
        node("Div", ["a0", "two"], ["a1"]),
        node("Conv", ["a1", "kernel", "bias"], ["a2"], group=4, pads=[0, 1, 2, 1], strides=[2, 1]),
        node(
            "BatchNormalization", ["a2", "channel", "bias", "bias", "channel"], ["a3"], epsilon=1e-3
        ),
        node("PRelu", ["a3", "slope"], ["a4"]),
        node("GlobalAveragePool", ["a4"], ["b0"]),
        node("Sigmoid", ["b0"], ["b1"]),
        node("Mul", ["a4", "b1"], ["a5"]),
        node("Relu", ["a5"], ["a6"]),
        node("Add", ["a5", "a6"], ["a7"]),
        node("Identity", ["a7"], ["a8"]),
        node("Dropout", ["a8"], ["a9"]),
        node("Reshape", ["a9", "shape"], ["a10"]),
        node("Flatten", ["a10"], ["a11"]),
        node("Gemm", ["a11", "matrix", "row"], ["a12"], transB=1, alpha=0.5, beta=2.0),
        node("MatMul", ["a12", "last"], ["a13"]),
        node("Constant", [], ["c"], value=numpy_helper.from_array(np.float32(3.0))),
        node("Mul", ["a13", "c"], ["y"]),
    ]
    path = write_graph(tmp_path / "all.onnx", nodes, weights, axes="ne")
    x = random.normal(size=(2, 4, 6, 4)).astype(np.float32)
    (expected,) = ReferenceEvaluator(str(path)).run(None, {"x": x})
    np.testing.assert_allclose(
        OnnxNetwork(path)(torch.from_numpy(x)).numpy(), expected, rtol=1e-4, atol=1e-5
    )


def test_an_unknown_operator_and_a_damaged_file_are_named(tmp_path):
    path = write_graph(tmp_path / "odd.onnx", [helper.make_node("Erf", ["x"], ["y"])], {})
    with pytest.raises(
        ValueError, match=r"odd.onnx can't be differentiated here.*aren't known: Erf"
    ):
        OnnxNetwork(path)
    (tmp_path / "bad.onnx").write_bytes(b"\x00\x01 not a graph")
    with pytest.raises(ValueError, match=r"bad.onnx can't be read as an ONNX model"):
        OnnxNetwork(tmp_path / "bad.onnx")


@pytest.mark.parametrize("number", [{"value_float": 3.0}, {"value_floats": [3.0, 3.0, 3.0]}])
def test_constants_may_be_numbers(tmp_path, number):
    nodes = [
        helper.make_node("Constant", [], ["c"], **number),
        helper.make_node("GlobalAveragePool", ["x"], ["a"]),
        helper.make_node("Flatten", ["a"], ["b"]),
        helper.make_node("Mul", ["b", "c"], ["y"]),
    ]
    path = write_graph(tmp_path / "numbers.onnx", nodes, {}, axes="ne")
    assert torch.equal(face_network(path)(torch.ones(2, 3, 112, 112)), torch.full((2, 3), 3.0))


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (helper.make_node("Flatten", ["x"], ["y"], axis=0), "Flatten at axis 0"),
        (helper.make_node("Relu", ["x"], ["y"]), r"makes \[2, 3, 112, 112\] of two faces"),
        (helper.make_node("MatMul", ["x", "x3"], ["y"]), "can't embed two faces"),
    ],
)
def test_a_graph_that_embeds_no_faces_is_refused_when_it_is_loaded(tmp_path, node, said):
    path = write_graph(tmp_path / "no_face.onnx", [node], {"x3": np.ones((5, 5), np.float32)})
    with pytest.raises(ValueError, match=said):
        face_network(path)
