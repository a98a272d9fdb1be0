"""Turn an official checkpoint (.pkl) of EG3D or PanoHead into a teacher folder.

The pickle is parsed as data; no code in it is executed. The folder gets the weights as safetensors,
a passport, the configuration, a model card with the licence, the snapshot's own settings and a
sheet of samples. It is written atomically.
"""

import logging
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch.nn import functional as F

from pipeline.build.application import verb
from pipeline.pictures import depth_picture, tile, write_png
from pipeline.runs.files import replaced_folder
from teachers.conversion import import_pickle
from teachers.eg3d.teacher import EG3DTeacher, save_eg3d
from teachers.eg3d.weights import ImportedTeacher, records

log = logging.getLogger("trilift.convert")

YAWS_DEG = (-30.0, 0.0, 30.0)


@verb("convert")
def main(config: DictConfig) -> None:
    """Reads the checkpoint and writes the folder."""
    source, output = Path(config.checkpoint), Path(config.output)
    if output.exists() and not config.overwrite:
        raise FileExistsError(f"{output} exists already: choose another output=, or overwrite=true")
    if output.exists() and not (output / "passport.json").is_file():
        raise FileExistsError(
            f"{output} exists and is not a teacher folder: it won't be overwritten, choose another"
            " output="
        )
    imported = import_pickle(source, sr_latent=config.sr_latent, focal=config.focal)
    for warning in imported.warnings:
        log.warning("%s", warning)
    write_folder(imported, output, source.name, identities=config.sheet_identities)
    log.info(
        "%s: %s, %s super-resolution to %d²",
        output,
        imported.teacher.passport.name,
        *_described(imported.teacher),
    )


def write_folder(
    imported: ImportedTeacher, output: Path, file_name: str, *, identities: int
) -> None:
    """Writes a teacher folder, atomically.

    Args:
        imported: the networks.
        output: the folder; an existing one is replaced.
        file_name: of the checkpoint, for the card.
        identities: rows of the sheet; 0: no sheet.
    """
    with replaced_folder(output) as writing:
        save_eg3d(writing, imported.teacher, imported.discriminator, records(imported, file_name))
        if identities:
            write_png(writing / "sheet.png", sample_sheet(imported.teacher, identities))


@torch.inference_mode()
def sample_sheet(teacher: EG3DTeacher, identities: int, truncation: float = 0.7) -> torch.Tensor:
    """One row for each identity: views from the left, the front and the right, of teachers of whole
    heads from behind, and the frontal depth.
    """
    passport = teacher.passport
    degrees = (*YAWS_DEG, 180.0) if passport.full_circle else YAWS_DEG
    yaws = torch.tensor(degrees).deg2rad()
    cameras = passport.orbit(yaws)
    noise = torch.randn(identities, teacher.z_dim, generator=torch.Generator().manual_seed(0))
    rows = []
    for row in range(identities):
        ws = teacher.map_latents(noise[row : row + 1], truncation=truncation)
        triplane = teacher.synthesize(ws)
        views = [
            teacher.render(triplane, cameras[view : view + 1], ws=ws) for view in range(len(yaws))
        ]
        depth = views[YAWS_DEG.index(0.0)].depth[0]
        near, far = (
            (passport.near, passport.far)
            if passport.near is not None and passport.far is not None
            else _range(depth)
        )
        enlarged = F.interpolate(
            depth_picture(depth, near, far)[None], size=views[0].image.shape[-2:]
        )[0]
        rows.append([*(view.image[0] for view in views), enlarged])
    labels = [*(f"yaw {yaw:+.0f}°" for yaw in degrees), "depth"]
    return tile(
        rows, column_labels=labels, row_labels=[f"seed 0, {row}" for row in range(identities)]
    )


def _range(depth: torch.Tensor) -> tuple[float, float]:
    near, far = depth.min().item(), depth.max().item()
    return near, max(far, near + 1e-6)


def _described(teacher: EG3DTeacher) -> tuple[str, int]:
    return teacher.passport.super_resolution, teacher.passport.image_resolution


if __name__ == "__main__":
    main()
