#!/usr/bin/env bash
# Ten-bit grey planes, coded by x264 without loss, come back from PyAV's to_ndarray("gray10le") changed.
#
# One would guess: gray10le in, qp 0, gray10le out: the same numbers. There is no colour to convert,
#   and a range of 64 to 940 is a matter of YCbCr.
# True: FFmpeg's H.264 decoder returns ten-bit 4:0:0 as yuv420p10le. Asking for gray10le then
#   converts: YCbCr that isn't marked as full range counts as 64 to 940, grey always as 0 to 1023.
#   Levels move by up to 83 of 1023, 147 of the 1024 are gone, both ends are clipped, nothing warns.
#   Exact are plane 0, read by its line size, and a stream whose encoder and frames were given
#   color_range 2 (full range). FFV1 stays gray10le and needs neither.
# Why it matters here: triplanes are streamed and stored as pictures of levels. Dequantised, such levels
#   are still plausible planes, of faces with too much contrast: no test of shapes finds it, and PSNR
#   blames the codec.
# Found with av 18.1.0 (PyPI's wheel), numpy 2.3.5, 2026-11-29.
# Output on 2026-11-29:
#   av 18.1.0
#   libx264, unmarked: decoded as yuv420p10le; plane 0 off by 0, to_ndarray('gray10le') by 83, 877 levels of 1024
#   libx264, marked full range: decoded as yuv420p10le; plane 0 off by 0, to_ndarray('gray10le') by 0, 1024 levels of 1024
#   ffv1, unmarked: decoded as gray10le; plane 0 off by 0, to_ndarray('gray10le') by 0, 1024 levels of 1024
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'av==18.1.0' 'numpy==2.3.5' \
  2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/grey.py" <<'PY'
import io
import sys

import av
import av.logging
import numpy as np

av.logging.set_level(av.logging.ERROR)
SIDE, FULL = 64, 2
levels = (np.arange(SIDE * SIDE) % 1024).astype(np.uint16).reshape(SIDE, SIDE)


def decoded(codec, options, full):
    """The frame of a film of one picture."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as film:
        stream = film.add_stream(codec, rate=30, options=options)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "gray10le"
        frame = av.VideoFrame.from_ndarray(levels, format="gray10le")
        if full:
            stream.codec_context.color_range = frame.color_range = FULL
        film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as film:
        return next(film.decode(video=0))


def first_plane(frame):
    plane = frame.planes[0]
    return np.frombuffer(plane, np.uint16).reshape(frame.height, plane.line_size // 2)[:, :SIDE]


def off(found):
    return int(np.abs(found.astype(int) - levels).max())


print("av", av.__version__)
found = {}
for codec, options, full in (
    ("libx264", {"qp": "0"}, False), ("libx264", {"qp": "0"}, True), ("ffv1", {}, False),
):
    frame = decoded(codec, options, full)
    asked = frame.to_ndarray(format="gray10le")
    found[codec, full] = off(first_plane(frame)), off(asked), len(np.unique(asked))
    print(
        f"{codec}, {'marked full range' if full else 'unmarked'}: decoded as {frame.format.name};"
        f" plane 0 off by {found[codec, full][0]}, to_ndarray('gray10le') by {found[codec, full][1]},"
        f" {found[codec, full][2]} levels of 1024"
    )
as_described = (
    all(plane == 0 for plane, _, _ in found.values())
    and found["libx264", False][1] > 60 and found["libx264", False][2] < 900
    and found["libx264", True][1] == found["ffv1", False][1] == 0
)
sys.exit(0 if as_described else "the behaviour has changed")
PY
"$work/venv/bin/python" "$work/grey.py"
