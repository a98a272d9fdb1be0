#!/usr/bin/env bash
# A pipe of multiprocessing carries arrays, but a tensor only between processes of one family.
#
# One would guess: `Connection.send(tensor)` pickles the numbers, as it does a NumPy array, so that a
#   pipe to any Python process carries either.
# True: `import torch` changes the pickler of every pipe of the process: a tensor goes as the name of
#   an open file, which the receiver fetches from a thread of the sender, with the sender's secret
#   key. Only children that multiprocessing started have that key. In a worker started otherwise (by
#   subprocess, over an inherited socket) `recv` raises AuthenticationError, and an object that merely
#   *caches* a tensor in an attribute can't be sent any more. An array arrives.
# Why it matters here: workers that lift or encode video frames are started without the sender's main
#   module, which "spawn" imports first. Settings and frames must be numbers and arrays on the wire: a
#   cached tensor in a settings object made the lifting process end before its first frame.
# Found with torch 2.13.0 (CPU), numpy 2.3.5, Linux, Python 3.11, 2026-11-29.
# Output on 2026-11-29:
#   torch 2.13.0+cpu
#   array: arrived
#   tensor: AuthenticationError
#   object with a cached tensor: AuthenticationError
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  'torch==2.13.0' 'numpy==2.3.5' 2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/worker.py" <<'PY'
import sys
from multiprocessing.connection import Connection

connection = Connection(int(sys.argv[1]))
for _ in range(3):
    try:
        connection.recv()
        said = "arrived"
    except Exception as error:
        said = type(error).__name__
    connection.send(said)
PY
cat > "$work/planes.py" <<'PY'
class Planes:
    """Numbers, and a tensor of them that was made once and kept."""

    def __init__(self, numbers, kept=None):
        self.numbers, self.kept = numbers, kept
PY
cat > "$work/sent.py" <<'PY'
import os
import socket
import subprocess
import sys
from multiprocessing.connection import Connection

import numpy as np
import torch
from planes import Planes

mine, theirs = socket.socketpair()
worker = subprocess.Popen(
    [sys.executable, "worker.py", str(theirs.fileno())],
    pass_fds=[theirs.fileno()],
    stderr=subprocess.DEVNULL,
)
connection = Connection(mine.detach())
print("torch", torch.__version__)
found = {}
for name, thing in {
    "array": np.zeros(8, np.float32),
    "tensor": torch.zeros(8),
    "object with a cached tensor": Planes((0.0, 1.0), torch.tensor((0.0, 1.0))),
}.items():
    connection.send(thing)
    found[name] = connection.recv() if connection.poll(60) else "nothing came back"
    print(f"{name}: {found[name]}")
worker.kill()
sys.stdout.flush()
expected = ["arrived", "AuthenticationError", "AuthenticationError"]
os._exit(0 if list(found.values()) == expected else 1)
PY
cd "$work" && venv/bin/python sent.py 2>/dev/null
