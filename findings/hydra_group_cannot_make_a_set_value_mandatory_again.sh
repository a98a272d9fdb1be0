#!/usr/bin/env bash
# A Hydra group that sets a key of the root to ??? changes nothing: the root's value stays, unsaid.
#
# One would guess: ??? means "has to be given", and what is composed later wins; so a group chosen
#   last (data=photographs) can ask for a value that the root has a default for.
# True: OmegaConf.merge leaves a value alone where the later configuration has ???, and Hydra
#   composes by it. Nothing is raised, neither when composing nor when reading; --cfg job shows the
#   old value. null, by contrast, replaces it.
# Why it matters here: the licence of a teacher's weights has a default that is true of drawn worlds.
#   With ??? in the group of photographs, weights made from anybody's pictures were stamped
#   Apache-2.0; an experiment with "start_from: ???" would have trained from scratch without a word.
#   Both say null, and the verbs ask.
# Found with hydra-core 1.3.8, omegaconf 2.3.1, Python 3.11, 2026-11-30.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'hydra-core==1.3.8' 'omegaconf==2.3.1' 2>"$work/pip.log" \
  || { cat "$work/pip.log"; exit 2; }
mkdir -p "$work/conf/data"
cat > "$work/conf/train.yaml" <<'YAML'
defaults: [_self_, {data: drawn}]
licence: Apache-2.0
YAML
echo '{path: drawn.zip}' > "$work/conf/data/drawn.yaml"
printf '# @package _global_\nlicence: ???\ndata: {path: faces.zip}\n' > "$work/conf/data/mandatory.yaml"
printf '# @package _global_\nlicence: null\ndata: {path: faces.zip}\n' > "$work/conf/data/nothing.yaml"
cat > "$work/compose.py" <<'PY'
import sys

import hydra
import omegaconf

print(f"hydra {hydra.__version__}, omegaconf {omegaconf.__version__}")
found = {}
with hydra.initialize_config_dir(sys.argv[1], version_base="1.3"):
    for choice in ("drawn", "mandatory", "nothing"):
        config = hydra.compose("train", [f"data={choice}"])
        found[choice] = (config.data.path, config.licence)
        print(f"data={choice}: path {config.data.path}, licence {config.licence}")
expected = {
    "drawn": ("drawn.zip", "Apache-2.0"),
    "mandatory": ("faces.zip", "Apache-2.0"),
    "nothing": ("faces.zip", None),
}
sys.exit(found != expected)
PY
"$work/venv/bin/python" "$work/compose.py" "$work/conf"
echo "as found: ??? in a later group is dropped, null replaces the value"
