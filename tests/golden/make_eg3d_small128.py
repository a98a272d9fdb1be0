"""Cuts the golden in eg3d_small128/ out of an official-format snapshot and its reference dump.

python tests/golden/make_eg3d_small128.py SNAPSHOT.pkl REFERENCE.npz
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from pipeline.evaluation.parity import read_dump
from teachers.conversion import import_pickle

FOLDER = Path(__file__).parent / "eg3d_small128"

ONE_IDENTITY = (
    "z",
    "c",
    "c_cond",
    "ws_psi1",
    "ws",
    "planes_mean",
    "planes_std",
    "ray_origins",
    "ray_directions",
    "u_coarse",
)
PICTURES = ("weight_total", "sr_in_rgb", "image_raw", "image_depth")
POINTS = ("pts", "pts_rgb", "pts_sigma")


def main(snapshot: Path, reference: Path) -> None:
    """Writes the weights without the unused noise images, one identity's arrays, and the renderer's
    own cases.
    """
    generator = import_pickle(snapshot, sr_latent="teacher_w").teacher.generator
    dump = read_dump(reference)
    meta = json.loads(dump["meta_json"].tobytes())
    del meta["layer_stats"]
    rays = dump["u_coarse"].shape[1]
    identity = {name: dump[name][:1] for name in (*ONE_IDENTITY, *PICTURES)}
    identity |= {name: dump[name][:1, :128] for name in POINTS}
    identity |= {"u_fine": dump["u_fine"][:rays], "plane_proj_of_123": dump["plane_proj_of_123"]}
    identity |= {
        "planes_stride32": dump["planes_stride4"][:1, ..., ::8, ::8],
        "features_stride2": dump["features"][:1, ..., ::2, ::2],
        "image_stride2": dump["image"][:1, ..., ::2, ::2],
        "meta_json": np.frombuffer(json.dumps(meta).encode(), np.uint8),
    }
    renderer = {name: array for name, array in dump.items() if name.startswith("tiny_")} | {
        "c": dump["c"]
    }
    weights = {
        name: value.numpy()
        for name, value in generator.state_dict().items()
        if not ("super_resolution" in name and "noise_const" in name)
    }
    FOLDER.mkdir(exist_ok=True)
    for name, arrays in {"generator": weights, "identity": identity, "renderer": renderer}.items():
        save_file(
            {key: np.ascontiguousarray(array) for key, array in arrays.items()},
            FOLDER / f"{name}.safetensors",
        )
        (FOLDER / f"{name}.safetensors").chmod(0o644)
    (FOLDER / "config.json").write_text(json.dumps(generator.config.to_dict(), indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
