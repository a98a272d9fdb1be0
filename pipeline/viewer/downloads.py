"""What was lifted, as files: picture, film, mesh, triplane; signed if the program was asked to.

A signed file whose format has no place for a manifest comes in a ZIP together with its sidecar.
"""

import asyncio
import io
import tempfile
import zipfile
from pathlib import Path

from aiohttp import web

from pipeline.exporters.field import Field
from pipeline.exporters.formats import chosen_formats
from pipeline.exporters.glb import glb
from pipeline.exporters.head_mesh import MeshSettings, head_mesh
from pipeline.inference.camera_paths import turntable
from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.inference.sheet import film_frames
from pipeline.inference.triplane_file import save_triplane
from pipeline.inference.video import write_video
from pipeline.inference.views import Views
from pipeline.manifests.signatory import Signatory
from pipeline.pictures import labelled

from .drawing import LIMITS, View, draw, encoded
from .photographs import Photograph
from .state import VIEWER, photograph_of
from .workbench import FRAME, LIFT

OTHER = "application/octet-stream"


async def picture_file(request: web.Request) -> web.Response:
    """The still frame of the view in the query, as PNG."""
    viewer, portrait = request.app[VIEWER], await _lifted(request)
    query = request.query
    numbers = {name: float(query[name]) for name in LIMITS if name in query}
    view = View.of({**numbers, "shown": query.get("shown", "image")})
    content = await viewer.compute(
        FRAME, lambda: encoded(labelled(draw(portrait, view), viewer.label), "PNG")
    )
    return await _download(content, "image/png", request, f"{view.shown}.png")


async def turntable_file(request: web.Request) -> web.Response:
    """A film of one round."""
    viewer, portrait = request.app[VIEWER], await _lifted(request)

    def filmed() -> tuple[bytes, str]:
        with tempfile.TemporaryDirectory() as folder:
            cameras = turntable(portrait.passport, frames=viewer.limits.turntable_frames)
            frames = film_frames(Views(portrait), cameras)
            marked = (labelled(frame, viewer.label) for frame in frames)
            file = write_video(Path(folder) / "turntable", marked)
            return file.read_bytes(), file.suffix

    content, suffix = await viewer.compute(LIFT, filmed)
    kind = "video/mp4" if suffix == ".mp4" else "image/gif"
    return await _download(content, kind, request, f"turntable{suffix}")


async def mesh_file(request: web.Request) -> web.Response:
    """The surface as GLB, as `trilift export` writes it."""
    chosen_formats("glb")  # an error where the extra isn't installed
    viewer, portrait = request.app[VIEWER], await _lifted(request)
    settings = MeshSettings(resolution=viewer.limits.mesh_resolution)
    content = await viewer.compute(LIFT, lambda: glb(head_mesh(Field(portrait), settings)))
    return await _download(content, "model/gltf-binary", request, "head.glb")


async def triplane_file(request: web.Request) -> web.Response:
    """The planes with the teacher's passport."""
    portrait = await _lifted(request)
    hooks = photograph_of(request).hooks.record()

    def saved() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "triplane.safetensors"
            save_triplane(file, portrait.triplane, portrait.passport, hooks)
            return file.read_bytes()

    content = await asyncio.to_thread(saved)
    return await _download(content, OTHER, request, "triplane.safetensors")


async def _download(content: bytes, kind: str, request: web.Request, name: str) -> web.Response:
    photograph = photograph_of(request)
    stem = "".join(c for c in Path(photograph.name).stem if c.isalnum() or c in "-_")
    name = f"{stem or 'head'}_{name}"
    signatory = request.app[VIEWER].signatory(request.match_info["contender"])
    if signatory is not None:
        name, content = await asyncio.to_thread(_signed, signatory, name, content, photograph)
    return web.Response(
        body=content,
        content_type="application/zip" if name.endswith(".zip") else kind,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _signed(
    signatory: Signatory, name: str, content: bytes, photograph: Photograph
) -> tuple[str, bytes]:
    """The signed file, or a ZIP of it and its sidecar: its name and its content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        (holder,) = signatory.sign(
            [path], photograph_sha256=photograph.sha256, hooks=list(photograph.hooks.hooks)
        )
        if holder == path:
            return name, path.read_bytes()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            for one in (path, holder):
                file.write(one, one.name)
        return f"{path.stem}.zip", archive.getvalue()


async def _lifted(request: web.Request) -> LiftedPortrait:
    """The head of the request's photograph and contender, lifted now if that takes a moment."""
    viewer, photograph = request.app[VIEWER], photograph_of(request)
    name = request.match_info["contender"]
    contender = viewer.workbench.contenders.get(name)
    if contender is None:
        raise web.HTTPNotFound(text=f"there is no {name!r} here")
    if not contender.is_slow:
        await asyncio.wrap_future(viewer.workbench.lift(photograph, name))
    if name in photograph.failed:
        raise ValueError(photograph.failed[name])
    if name not in photograph.lifted:
        raise web.HTTPConflict(text=f"{name} hasn't lifted this photograph yet: wait for it")
    return photograph.lifted[name]
