#!/usr/bin/env bash
# The same tensors and metadata, saved twice by safetensors, give files of different bytes.
#
# One would guess: safetensors is a plain format (a JSON header and raw numbers) whose writer sorts
#   the tensors, so equal weights with equal metadata are equal files: a checkpoint can be named by
#   the hash of its file, a converter's output compared by sha256, and a build repeated.
# True: the `metadata` dictionary passes through a hash map with a random seed per process: with
#   several keys their order in the header differs from one process to the next, and with it the
#   file's hash. With one key, or none, the bytes are equal. Tensors are in the same order always.
# Why it matters here: converted weights are pinned by hash and rebuilt by anybody with one command,
#   and shards, runs and evaluations name their networks by hash. Metadata therefore has to be one
#   key (a JSON text), or the hash has to be taken of the tensors.
# Found with safetensors 0.8.0, 2026-11-29.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'safetensors==0.8.0' 'numpy==2.4.6' \
  2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/save.py" <<'PY'
import hashlib
import sys

import numpy as np
from safetensors.numpy import save

tensors = {name: np.arange(6, dtype=np.float32) for name in ("b", "a", "c")}
metadata = {f"key{number}": str(number) for number in range(int(sys.argv[1]))}
print(hashlib.sha256(save(tensors, metadata=metadata)).hexdigest()[:16])
PY
echo "safetensors $("$work/venv/bin/python" -c 'import safetensors; print(safetensors.__version__)')"
different() { for _ in 1 2 3 4 5 6 7 8; do "$work/venv/bin/python" "$work/save.py" "$1"; done | sort -u | wc -l; }
one=$(different 1); eight=$(different 8)
echo "eight processes save the same: $one different file(s) with one key of metadata, $eight with eight keys"
[ "$one" = 1 ] && [ "$eight" -gt 1 ]
# Output on 2026-11-29:
#   safetensors 0.8.0
#   eight processes save the same: 1 different file(s) with one key of metadata, 8 with eight keys
