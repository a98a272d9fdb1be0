"""Snapshots as other versions of Python and torch, and forks of the training code, write them."""

import pathlib

import numpy as np
import pytest
import torch

from teachers.conversion import import_pickle
from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.generator import Generator

from .official_format import (
    Persistent,
    module_state,
    official_pickle,
    official_snapshot,
    official_weights,
    plain_module,
    published_settings,
)

SIZES = {"z_dim": 8, "w_dim": 16, "plane_resolution": 16, "plane_channels": 4}
CHANNELS = {"channel_base": 64, "channel_max": 8}
VENDORED = (
    *("training.triplane", "training.volumetric_rendering.renderer", "torch_utils.persistence"),
    *("training.volumetric_rendering.ray_marcher", "dnnlib.util"),
)


@pytest.fixture(scope="module")
def weights():
    torch.manual_seed(0)
    config = EG3DConfiguration(
        **SIZES,
        **CHANNELS,
        depth_samples=6,
        importance_samples=6,
        render_resolution=8,
        image_resolution=128,
        super_resolution="2X",
    )
    return official_weights(Generator(config))


def snapshot(weights, **settings):
    return official_snapshot(
        weights,
        init_kwargs={**CHANNELS, "img_resolution": 128, "sr_num_fp16_res": 4},
        rendering_kwargs=published_settings(
            depth_resolution=6, depth_resolution_importance=6, **settings
        ),
        resolution=8,
        superresolution_class="SuperresolutionHybrid2X",
    )


def read(folder, content, protocol=4, renamed=None):
    path = folder / "network.pkl"
    path.write_bytes(official_pickle(content, protocol, renamed))
    return import_pickle(path).teacher


def require_same(teacher, weights, tolerance=0.0):
    found = official_weights(teacher.generator)
    for name, value in weights.items():
        assert (found[name] - value).abs().max() <= tolerance, name


@pytest.mark.parametrize("protocol", [2, 3, 5])
def test_every_binary_protocol_is_read(tmp_path, weights, protocol):
    require_same(read(tmp_path, snapshot(weights), protocol), weights)


def test_bfloat16_weights_are_read_exactly(tmp_path, weights):
    halved = {name: value.bfloat16() for name, value in weights.items()}
    teacher = read(tmp_path, snapshot(halved))
    require_same(teacher, {name: value.float() for name, value in halved.items()})


def test_parameters_with_attributes_are_read(tmp_path, weights):
    content = snapshot(weights)

    def mark(network):
        state = network.meta["state"] if isinstance(network, Persistent) else network.__dict__
        for parameter in state["_parameters"].values():
            parameter.learning_rate = 0.01
        for child in state["_modules"].values():
            mark(child)

    mark(content["G_ema"])
    require_same(read(tmp_path, content), weights)


@pytest.mark.parametrize("package", ["eg3d", "third_party.eg3d"])
def test_the_official_code_may_lie_in_another_package(tmp_path, weights, package):
    renamed = {module: f"{package}.{module}" for module in VENDORED}
    require_same(read(tmp_path, snapshot(weights), renamed=renamed), weights)


@pytest.mark.parametrize(
    ("module", "name", "child"),
    [
        ("torch.nn.parallel.distributed", "DistributedDataParallel", "module"),
        ("torch._dynamo.eval_frame", "OptimizedModule", "_orig_mod"),
    ],
)
def test_a_wrapped_network_is_found(tmp_path, weights, module, name, child):
    content = snapshot(weights)
    content["G_ema"] = plain_module(module, name, module_state({}, {child: content["G_ema"]}))
    require_same(read(tmp_path, content), weights)


@pytest.mark.parametrize(
    "value",
    [
        torch.Size([3, 3]),
        torch.device("cuda:0"),
        torch.float16,
        np.arange(4.0),
        pathlib.PurePosixPath("/data"),
        1j,
        bytearray(b"a"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_attributes_that_no_network_needs_do_not_matter(tmp_path, weights, value):
    content = snapshot(weights)
    content["G_ema"].meta["state"]["extra"] = value
    content["training_set_kwargs"]["extra"] = value
    require_same(read(tmp_path, content), weights)


def test_a_setting_may_be_a_tensor(tmp_path, weights):
    pivot = torch.tensor([0.0, 0.0, 0.25])
    teacher = read(tmp_path, snapshot(weights, avg_camera_pivot=pivot))
    assert teacher.configuration.camera_pivot == (0.0, 0.0, 0.25)


def test_what_is_unsupported_is_not_called_hostile(tmp_path, weights):
    content = snapshot(weights)
    content["G_ema"].meta["state"]["extra"] = torch.Generator()
    with pytest.raises(ValueError, match=r"torch\._C\.Generator.* is unsupported") as caught:
        read(tmp_path, content)
    assert "hostile" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"avg_camera_pivot": [0, 0.2]}, r"avg_camera_pivot is \[0, 0\.2\]: expected a list of 3"),
        ({"avg_camera_radius": None}, r"avg_camera_radius is None, not a number"),
        ({"c_scale": "wide"}, r"c_scale is 'wide', not a number"),
    ],
)
def test_a_setting_of_another_kind_is_named_with_its_value(tmp_path, weights, settings, said):
    with pytest.raises(ValueError, match=said):
        read(tmp_path, snapshot(weights, **settings))
