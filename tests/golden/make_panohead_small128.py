"""Cuts the golden in panohead_small128/ out of an official-format snapshot and its reference dump.

python tests/golden/make_panohead_small128.py SNAPSHOT.pkl REFERENCE.npz
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from pipeline.evaluation.parity import read_dump
from teachers.conversion import import_pickle

FOLDER = Path(__file__).parent / "panohead_small128"

LEFT_OUT = (
    *("native_u_coarse", "native_u_fine", "native_rgb_before_sr", "native_image_raw_returned"),
    *("native_image", "native_image_mask", "planes_ch0_full", "planes_stride4", "ws_psi1"),
    *("ws_psi07_nocutoff", "depths_coarse", "sigma_coarse", "sigma_coarse_uncropped"),
    *("weights_coarse", "depths_all_sorted", "sigma_all_sorted", "weights_final", "features"),
    *("features_fg", "bcg_full_stride2", "bcg_resized_ch0_3", "sr_block0_x_stride4"),
    *("sr_block0_img", "image", "pts_planefeat", "lrelu_features", "sigmoid_features_fg"),
    *("lrelu_features_fg", "otherbcg_features", "image_raw_equals_sr_in_rgb", "meta_json"),
)


def main(snapshot: Path, reference: Path) -> None:
    """Writes the weights without the unused noise images, and the thinned arrays."""
    generator = import_pickle(snapshot, sr_latent="teacher_w").teacher.generator
    dump = read_dump(reference)
    meta = json.loads(dump["meta_json"].tobytes())
    del meta["layer_stats"]
    del meta["state_dict"]
    arrays = {name: array for name, array in dump.items() if name not in LEFT_OUT} | {
        "planes_stride32": dump["planes_stride4"][..., ::8, ::8],
        "features_stride4": dump["features"][..., ::4, ::4],
        "features_fg_stride4": dump["features_fg"][..., ::4, ::4],
        "bcg_full_stride8": dump["bcg_full_stride2"][..., ::4, ::4],
        "image_stride4": dump["image"][..., ::4, ::4],
        "meta_json": np.frombuffer(json.dumps(meta).encode(), np.uint8),
    }
    weights = {
        name: value.numpy()
        for name, value in generator.state_dict().items()
        if not ("super_resolution" in name and "noise_const" in name)
    }
    FOLDER.mkdir(exist_ok=True)
    for name, written in {"generator": weights, "identities": arrays}.items():
        save_file(
            {key: np.ascontiguousarray(array) for key, array in written.items()},
            FOLDER / f"{name}.safetensors",
        )
        (FOLDER / f"{name}.safetensors").chmod(0o644)
    (FOLDER / "config.json").write_text(json.dumps(generator.config.to_dict(), indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
