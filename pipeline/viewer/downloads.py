"""What was lifted, as files: picture, film, mesh, triplane."""

import asyncio
import tempfile
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

from .drawing import LIMITS, View, draw, encoded
from .state import VIEWER, photograph_of
from .workbench import FRAME, LIFT


async def picture_file(request: web.Request) -> web.Response:
    """The still frame of the view in the query, as PNG."""
    viewer, portrait = request.app[VIEWER], await _lifted(request)
    query = request.query
    numbers = {name: float(query[name]) for name in LIMITS if name in query}
    view = View.of({**numbers, "shown": query.get("shown", "image")})
    content = await viewer.compute(FRAME, lambda: encoded(draw(portrait, view), "PNG"))
    return _download(content, "image/png", request, f"{view.shown}.png")


async def turntable_file(request: web.Request) -> web.Response:
    """A film of one round."""
    viewer, portrait = request.app[VIEWER], await _lifted(request)

    def filmed() -> tuple[bytes, str]:
        with tempfile.TemporaryDirectory() as folder:
            cameras = turntable(portrait.passport, frames=viewer.limits.turntable_frames)
            frames = film_frames(Views(portrait), cameras)
            file = write_video(Path(folder) / "turntable", frames)
            return file.read_bytes(), file.suffix

    content, suffix = await viewer.compute(LIFT, filmed)
    kind = "video/mp4" if suffix == ".mp4" else "image/gif"
    return _download(content, kind, request, f"turntable{suffix}")


async def mesh_file(request: web.Request) -> web.Response:
    """The surface as GLB, as `trilift export` writes it."""
    chosen_formats("glb")  # an error where the extra isn't installed
    viewer, portrait = request.app[VIEWER], await _lifted(request)
    settings = MeshSettings(resolution=viewer.limits.mesh_resolution)
    content = await viewer.compute(LIFT, lambda: glb(head_mesh(Field(portrait), settings)))
    return _download(content, "model/gltf-binary", request, "head.glb")


async def triplane_file(request: web.Request) -> web.Response:
    """The planes with the teacher's passport."""
    portrait = await _lifted(request)

    def saved() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "triplane.safetensors"
            save_triplane(file, portrait.triplane, portrait.passport)
            return file.read_bytes()

    content = await asyncio.to_thread(saved)
    return _download(content, "application/octet-stream", request, "triplane.safetensors")


def _download(content: bytes, kind: str, request: web.Request, name: str) -> web.Response:
    stem = "".join(c for c in Path(photograph_of(request).name).stem if c.isalnum() or c in "-_")
    return web.Response(
        body=content,
        content_type=kind,
        headers={"Content-Disposition": f'attachment; filename="{stem or "head"}_{name}"'},
    )


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
