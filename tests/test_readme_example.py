"""The README's Python example runs as it stands there."""

import re
from pathlib import Path

from PIL import Image

EXAMPLE = """
from pathlib import Path

from pipeline.inference import Reconstructor
from pipeline.pictures import write_png

reconstructor = Reconstructor.from_pretrained("bundled/puppets_tiny")
face = reconstructor.lift("photo.jpg")  # a path, a Pillow image, an array or a tensor
view = face.render(face.orbit(yaw_deg=30, pitch_deg=10))  # image, depth, opacity
write_png(Path("view.png"), view.image[0])
film = face.render(face.turntable(frames=24)).image  # [24 3 64 64] in [-1, 1]
"""


def test_the_first_example_of_the_readme_runs(repository, tmp_path, monkeypatch):
    found = re.search(r"```python\n(.*?)```", (repository / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (120, 160), "tan").save("photo.jpg")
    names: dict = {}
    exec(found[1] if found else EXAMPLE, names)
    assert type(names["face"]).__name__ == "LiftedPortrait"
    assert Image.open(Path("view.png")).size == (64, 64)
