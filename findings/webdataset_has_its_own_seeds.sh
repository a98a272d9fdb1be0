#!/usr/bin/env bash
# webdataset shuffles samples anew in each run, whatever the seed, and shards alike in each epoch.
#
# One would guess: lightning.seed_everything(0), which seeds random, numpy, torch and workers, makes the order
#   of WebDataset(shards, shardshuffle=…).shuffle(…) repeatable, and every epoch has an order of its own.
# True: .shuffle(n) and resampled=True take their random numbers from the clock and the process: two runs of
#   one seed see different samples. shardshuffle=n does follow the seed of `random`, but starts from it again
#   in every epoch: the shards come in one order for ever. So does .shuffle(n, seed=…). Repeatable, and new
#   in every epoch: .shuffle(n, rng=random.Random(seed)), or detshuffle(n, seed=…). Nothing is said anywhere.
# Why it matters here: a sweep over seeds compares runs by seed, and a run that is resumed or reproduced is
#   expected to see what it saw. With few large shards and a buffer smaller than a shard, epochs that repeat
#   the order of shards repeat most of the order of people. Ours use detshuffle for both.
# Found with webdataset 1.0.2, lightning 2.6.6, torch 2.13.0, 2026-11-30.
# Output on 2026-11-30 ("samples" and "resampled" vary):
#   lightning 2.6.6
#   torch 2.13.0+cpu
#   webdataset 1.0.2
#   samples (two epochs)
#     seed 0: 3_17 1_13 3_16 1_1 1_2; 2_15 0_19 2_6 3_3 1_17;
#     seed 0: 3_9 0_10 2_6 0_6 0_1; 4_4 3_4 2_1 3_9 0_2;
#     seed 1: 3_13 3_4 0_7 0_1 4_5; 3_19 2_14 4_13 1_7 0_8;
#   resampled (two epochs)
#     seed 0: 1_0 0_0 0_0 2_0 4_0; 2_0 4_0 1_0 2_0 3_0;
#     seed 0: 3_0 4_0 4_0 0_0 2_0; 3_0 2_0 3_0 0_0 4_0;
#     seed 1: 4_0 2_0 4_0 0_0 4_0; 2_0 3_0 4_0 1_0 2_0;
#   samples, seed= (two epochs)
#     seed 0: 2_9 4_17 2_13 0_5 1_13; 2_9 4_17 2_13 0_5 1_13;
#     seed 0: 2_9 4_17 2_13 0_5 1_13; 2_9 4_17 2_13 0_5 1_13;
#     seed 1: 0_17 3_12 4_17 0_8 1_12; 0_17 3_12 4_17 0_8 1_12;
#   samples, rng= (two epochs)
#     seed 0: 2_9 4_17 2_13 0_5 1_13; 4_6 4_16 0_16 0_19 0_4;
#     seed 0: 2_9 4_17 2_13 0_5 1_13; 4_6 4_16 0_16 0_19 0_4;
#     seed 1: 0_17 3_12 4_17 0_8 1_12; 3_4 1_9 0_1 1_5 3_9;
#   shards (two epochs)
#     seed 0: 1_0 0_0 3_0 4_0 2_0; 1_0 0_0 3_0 4_0 2_0;
#     seed 0: 1_0 0_0 3_0 4_0 2_0; 1_0 0_0 3_0 4_0 2_0;
#     seed 1: 1_0 4_0 0_0 3_0 2_0; 1_0 4_0 0_0 3_0 2_0;
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  'webdataset==1.0.2' 'lightning==2.6.6' 'torch==2.13.0' 2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cat > "$work/order.py" <<'PY'
"""order.py FOLDER SEED KIND: the keys of two epochs."""
import random
import sys
import warnings
from itertools import islice

warnings.filterwarnings("ignore")
import lightning
import webdataset as wds

folder, seed, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
shards = [f"{folder}/{number}.tar" for number in range(5)]
if kind == "write":
    for number, shard in enumerate(shards):
        with wds.TarWriter(shard) as writer:
            for index in range(20):
                writer.write({"__key__": f"{number}_{index}", "txt": "head"})
    sys.exit()
lightning.seed_everything(seed, verbose=False)
dataset = {
    "samples": lambda: wds.WebDataset(shards, shardshuffle=False).shuffle(100),
    "samples, seed=": lambda: wds.WebDataset(shards, shardshuffle=False).shuffle(100, seed=seed),
    "samples, rng=": lambda: wds.WebDataset(shards, shardshuffle=False).shuffle(100, rng=random.Random(seed)),
    "shards": lambda: wds.WebDataset(shards, shardshuffle=5),
    "resampled": lambda: wds.WebDataset(shards, resampled=True),
}[kind]()
for _ in range(2):
    keys = [sample["__key__"] for sample in islice(dataset, 100)]
    print(" ".join(keys[::20] if kind in ("shards", "resampled") else keys[:5]), end="; ")
PY
python() { "$work/venv/bin/python" "$work/order.py" "$work" "$@" 2>"$work/log" || { cat "$work/log"; exit 2; }; }
"$work/venv/bin/pip" list 2>/dev/null | grep -E '^(webdataset|lightning|torch) ' | tr -s ' '
python 0 write
differs() { [ "$1" != "$2" ] || { echo "the same: $3"; exit 1; }; }
same() { [ "$1" = "$2" ] || { echo "not the same: $3"; exit 1; }; }
for kind in samples resampled 'samples, seed=' 'samples, rng=' shards; do
  a=$(python 0 "$kind"); b=$(python 0 "$kind"); c=$(python 1 "$kind")
  printf '%s (two epochs)\n  seed 0: %s\n  seed 0: %s\n  seed 1: %s\n' "$kind" "$a" "$b" "$c"
  case $kind in
    samples|resampled) differs "$a" "$b" "$kind"; continue ;;
    shards|'samples, seed=') same "${a%%; *}; ${a%%; *}; " "$a" "$kind: epochs" ;;&
    *) same "$a" "$b" "$kind"; differs "$a" "$c" "$kind" ;;
  esac
done
