"""Writes pickles in the structure of official EG3D snapshots from any weights, without any official
class or text.
"""

import io
import pickle
from collections import OrderedDict
from types import FunctionType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

OFFICIAL_AXES = torch.tensor(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
        [[0, 0, 1], [1, 0, 0], [0, 1, 0]],
    ],
    dtype=torch.float32,
)

BUFFERS = ("w_avg", "noise_const", "resample_filter", "dataset_label_std")

PLACEHOLDER_SOURCE = "raise RuntimeError('the embedded source was executed')\n"


class _GlobalsByName(pickle._Pickler):
    """Writes classes and functions under the names that they claim, without looking them up."""

    renamed_modules: ClassVar[dict[str, str]] = {}

    def save_global(self, obj: Any, name: str | None = None) -> None:
        self.save(self.renamed_modules.get(obj.__module__, obj.__module__))
        self.save(name or obj.__qualname__)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(obj)

    dispatch: ClassVar[dict] = {**pickle._Pickler.dispatch, FunctionType: save_global}


def named(module: str, name: str, bases: tuple[type, ...] = ()) -> type:
    """An empty class that claims a module and a name."""
    return type(name, bases, {"__module__": module, "__qualname__": name})


EasyDict = named("dnnlib.util", "EasyDict", (dict,))


def _reconstruct_persistent_obj(meta: dict[str, Any]) -> None: ...


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


class Persistent:
    """A module of a persistent class: what it pickles as."""

    def __init__(
        self, class_name: str, state: dict[str, Any], source: str = PLACEHOLDER_SOURCE
    ) -> None:
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": source,
            "class_name": class_name,
            "state": state,
        }

    def __reduce_ex__(self, protocol: int) -> Any:
        return _reconstruct_persistent_obj, (self.meta,)


def plain_module(module: str, name: str, state: dict[str, Any]) -> Any:
    """A module of a class without persistence."""
    instance = named(module, name)()
    instance.__dict__.update(state)
    return instance


def module_state(
    tensors: dict[str, Tensor], modules: dict[str, Any], **attributes: Any
) -> dict[str, Any]:
    """The attributes of an nn.Module with these tensors and submodules."""
    return {
        "training": False,
        "_parameters": {
            name: torch.nn.Parameter(tensor, False)
            for name, tensor in tensors.items()
            if name not in BUFFERS
        },
        "_buffers": {name: tensor for name, tensor in tensors.items() if name in BUFFERS},
        "_non_persistent_buffers_set": set(),
        "_forward_hooks": OrderedDict(),
        "_modules": modules,
        **attributes,
    }


def module_tree(
    weights: dict[str, Tensor], class_names: dict[str, str], prefix: str = "", **attributes: Any
) -> Any:
    """Nested modules for weights by dotted name; `class_names` by prefix, anything else is a
    "Layer".
    """
    own = {name: tensor for name, tensor in weights.items() if "." not in name}
    below: dict[str, dict[str, Tensor]] = {}
    for name, tensor in weights.items():
        child, _, rest = name.partition(".")
        if rest:
            below.setdefault(child, {})[rest] = tensor
    modules = {
        child: module_tree(tensors, class_names, f"{prefix}{child}.")
        for child, tensors in below.items()
    }
    state = module_state(
        own, modules | attributes.pop("more_modules", {}), weight_gain=np.float64(0.5), **attributes
    )
    if prefix == "decoder.":
        return plain_module("training.triplane", "OSGDecoder", state)
    if prefix == "decoder.net.":
        return plain_module("torch.nn.modules.container", "Sequential", state)
    return Persistent(class_names.get(prefix, "Layer"), state)


def official_snapshot(
    generator: dict[str, Tensor],
    discriminator: dict[str, Tensor] | None = None,
    *,
    init_kwargs: dict[str, Any] | None = None,
    rendering_kwargs: dict[str, Any] | None = None,
    discriminator_init_kwargs: dict[str, Any] | None = None,
    resolution: int = 64,
    plane_axes: Tensor | None = OFFICIAL_AXES,
    superresolution_class: str = "SuperresolutionHybrid8XDC",
) -> dict[str, Any]:
    """The top-level dictionary of a snapshot; change it, then `official_pickle` it."""
    marcher = plain_module(
        "training.volumetric_rendering.ray_marcher", "MipRayMarcher2", module_state({}, {})
    )
    axes = {} if plane_axes is None else {"plane_axes": plane_axes}
    renderer = plain_module(
        "training.volumetric_rendering.renderer",
        "ImportanceRenderer",
        module_state({}, {"ray_marcher": marcher}, **axes),
    )
    names = {"": "TriPlaneGenerator", "superresolution.": superresolution_class}
    network = module_tree(
        generator,
        names,
        more_modules={"renderer": renderer},
        neural_rendering_resolution=resolution,
        rendering_kwargs=EasyDict(rendering_kwargs or {}),
        _init_args=(),
        _init_kwargs=EasyDict(init_kwargs or {}),
        _last_planes=None,
    )
    critic = (
        None
        if discriminator is None
        else module_tree(
            discriminator,
            {"": "DualDiscriminator"},
            _init_kwargs=EasyDict(discriminator_init_kwargs or {}),
        )
    )
    return {
        "training_set_kwargs": {"path": "faces.zip", "resolution": 512},
        "G": network,
        "D": critic,
        "G_ema": network,
        "augment_pipe": None,
    }


def official_pickle(
    snapshot: Any, protocol: int = 4, renamed_modules: dict[str, str] | None = None
) -> bytes:
    """The bytes of a snapshot file."""
    buffer = io.BytesIO()
    writer = _GlobalsByName(buffer, protocol)
    writer.renamed_modules = renamed_modules or {}
    writer.dump(snapshot)
    return buffer.getvalue()


FILTER = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64


def official_weights(generator: torch.nn.Module) -> dict[str, Tensor]:
    """The weights of one of our generators under the published names, with the buffers that the
    published ones have.
    """
    names = {
        "renderer.decoder.": "decoder.",
        "renderer.super_resolution.": "superresolution.",
        "renderer.to_rgb.": "torgb.",
        "renderer.background_network.": "bcg_synthesis.",
        "camera_shift.": "t_mapping.",
    }
    weights = {}
    for name, value in generator.state_dict().items():
        for ours, theirs in names.items():
            name = theirs + name.removeprefix(ours) if name.startswith(ours) else name
        if name in ("superresolution.w_mean", "renderer.w_mean"):
            continue
        weights[name] = value.clone()
        if name.endswith(("conv0.weight", "conv1.weight", "torgb.weight")):
            weights[name.rpartition(".")[0].rpartition(".")[0] + ".resample_filter"] = FILTER
    return {"dataset_label_std": torch.ones(25), **weights}


def published_settings(**changes: Any) -> dict[str, Any]:
    """Rendering options as the published face generators have them."""
    return {
        "image_resolution": 512,
        "disparity_space_sampling": False,
        "clamp_mode": "softplus",
        "superresolution_module": "training.superresolution.SuperresolutionHybrid8XDC",
        "c_gen_conditioning_zero": False,
        "c_scale": 1,
        "superresolution_noise_mode": "none",
        "decoder_lr_mul": 1,
        "sr_antialias": True,
        "depth_resolution": 48,
        "depth_resolution_importance": 48,
        "ray_start": 2.25,
        "ray_end": 3.3,
        "box_warp": 1,
        "avg_camera_radius": 2.7,
        "avg_camera_pivot": [0, 0, 0.2],
        **changes,
    }
