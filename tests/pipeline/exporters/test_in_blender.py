"""The written GLB as Debian's Blender imports and renders it (Cycles on the CPU)."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.exporters.glb import write_glb
from pipeline.exporters.mesh import METRES_PER_UNIT

from .drawing import psnr

BLENDER = shutil.which("blender")


@pytest.mark.slow
@pytest.mark.skipif(BLENDER is None, reason="apt-get install blender python3-numpy")
@pytest.mark.parametrize("kind", ["colours of the vertices", "picture"])
def test_blender_shows_the_field(mesh, light, head, cameras, views, tmp_path, kind):
    write_glb(tmp_path / "head.glb", mesh if kind != "picture" else light[1])
    place = (cameras.cam_to_world[0, :3, 3] * METRES_PER_UNIT).tolist()
    script = Path(__file__).with_name("in_blender.py")
    numbers = [str(number) for number in (*place, head.passport.focal)]
    picture = tmp_path / "seen.png"
    files = [str(tmp_path / "head.glb"), str(picture)]
    options = ["-b", "--factory-startup", "--python-exit-code", "1", "--python", str(script)]
    subprocess.run([BLENDER, *options, "--", *files, *numbers], check=True, timeout=300)
    seen = np.asarray(Image.open(picture).convert("RGB")) / np.float32(255)
    assert psnr(seen, views[0]) > 24.5
