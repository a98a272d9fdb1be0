#!/usr/bin/env bash
# A stream with x264's intra refresh, joined at a packet that is marked as a key frame, stays wrong for
# two refreshes; FFmpeg calls its pictures recovered after one.
#
# One would guess: intra-refresh=1 replaces key frames by a column of intra blocks that wanders. Once it
#   has crossed the picture, every block has been coded without another picture, so that a decoder that
#   joined, or lost a packet, is right again; and a packet with the key flag is where one may join.
# True: intra blocks are predicted from their neighbours in the same picture, and those above and to the
#   right of the column may be inter blocks, which are wrong. The damage goes along with the column. Only
#   x264's constrained-intra=1 (in x264-params; off) forbids such neighbours. The packet where a refresh
#   begins has the key flag and the stream's headers, but its picture isn't given out; the first that
#   is, nearly a refresh later, is 19 dB from the truth, and neither it nor any after it is marked
#   as corrupt; it takes another refresh until they are right. With the option the first is right.
# Why it matters here: planes are streamed frame by frame, and a burst of key frames is what intra refresh is
#   for. A viewer that joins "at a key packet" renders a broken head, and no error is counted. Tell key
#   frames by their IDR unit (type 5), and give x264 the option: 4 % more bytes here, none for planes.
# Found with av 18.1.0 (PyPI's wheel), numpy 2.3.5, 2026-11-30.
# Output on 2026-11-30:
#   av 18.1.0
#   x264's default: 35430 bytes; marked as key [0, 16, 32, 48], with an IDR unit [0]; joined at 16: first picture 30, called corrupt []; dB of pictures 30: 18.8, 34: 26.7, 38: 31.7, 42: 38.8, 48: 50.8
#   constrained-intra=1: 36851 bytes; marked as key [0, 16, 32, 48], with an IDR unit [0]; joined at 16: first picture 30, called corrupt []; dB of pictures 30: 51.7, 34: 51.4, 38: 51.0, 42: 50.7, 48: 50.5
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'av==18.1.0' 'numpy==2.3.5' \
  2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/refresh.py" <<'PY'
import sys
from fractions import Fraction

import av
import av.logging
import numpy as np

av.logging.set_level(av.logging.PANIC)
SIDE, PERIOD, COUNT = 256, 16, 64
tiles = np.random.default_rng(0).integers(0, 256, (SIDE // 8, SIDE // 8 + 20), np.uint8)
texture = np.kron(tiles, np.ones((8, 8), np.uint8))
CHROMA = np.full((SIDE // 2, SIDE), 128, np.uint8)


def picture(number):
    """A pattern that moves by two pixels a picture."""
    return np.ascontiguousarray(texture[:, 2 * number : 2 * number + SIDE])


def stream(parameters):
    """Packets of the pictures."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = SIDE, SIDE, "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(30), Fraction(1, 30)
    encoder.options = {
        "preset": "veryfast", "tune": "zerolatency", "qp": "20", "g": str(PERIOD),
        "intra-refresh": "1", "x264-params": f"sliced-threads=1:threads=1{parameters}",
    }
    packets = []
    for number in range(COUNT):
        levels = np.concatenate([picture(number), CHROMA])
        frame = av.VideoFrame.from_ndarray(levels, format="yuv420p")
        frame.pts = number
        packets += encoder.encode(frame)
    return packets + encoder.encode(None)


def units(data):
    """Types of the units of an H.264 packet."""
    starts = [n + 3 for n in range(len(data) - 3) if data[n : n + 3] == b"\0\0\1"]
    return [data[start] & 31 for start in starts]


def joined(packets, first):
    """PSNR of the pictures that a decoder gives which sees the packets from `first` on, and which of
    them it calls corrupt.
    """
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decibels, corrupt = {}, []
    for number in range(first, COUNT):
        packet = av.Packet(bytes(packets[number]))
        packet.pts = number
        for frame in decoder.decode(packet):
            plane = frame.planes[0]
            shown = np.frombuffer(plane, np.uint8).reshape(SIDE, plane.line_size)[:, :SIDE]
            error = np.mean((shown.astype(float) - picture(frame.pts)) ** 2)
            decibels[frame.pts] = round(10 * np.log10(255**2 / error), 1)
            if frame.is_corrupt:
                corrupt.append(frame.pts)
    return decibels, corrupt


print("av", av.__version__)
found = {}
for name, parameters in (("x264's default", ""), ("constrained-intra=1", ":constrained-intra=1")):
    packets = stream(parameters)
    keys = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    idr = [number for number, packet in enumerate(packets) if 5 in units(bytes(packet))]
    decibels, corrupt = joined(packets, PERIOD)
    start = min(decibels)
    found[name] = keys, idr, start, decibels, corrupt
    shown = ", ".join(f"{n}: {decibels[n]}" for n in (start, start + 4, start + 8, start + 12, start + 18))
    size = sum(packet.size for packet in packets)
    print(
        f"{name}: {size} bytes; marked as key {keys}, with an IDR unit {idr}; joined at {PERIOD}:"
        f" first picture {start}, called corrupt {corrupt}; dB of pictures {shown}"
    )
_, _, _, before, _ = found["x264's default"]
keys, idr, start, _, corrupt = found["x264's default"]
after = found["constrained-intra=1"][3]
as_described = (
    keys == [0, 16, 32, 48] and idr == [0] and start > PERIOD + 8 and not corrupt
    and before[start] < 25 and before[start + 18] > 40
    and after[start] > 45
)
sys.exit(0 if as_described else "the behaviour has changed")
PY
"$work/venv/bin/python" "$work/refresh.py"
