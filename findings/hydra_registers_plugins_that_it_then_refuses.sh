#!/usr/bin/env bash
# Hydra's public Plugins.register() accepts a sweeper from any module, and a multirun refuses it.
#
# One would guess: a Sweeper subclass registered with hydra.core.plugins.Plugins.instance().register
#   can be chosen by hydra/sweeper=..., wherever its module lies: that is what registering is for.
# True: the registry takes it, discover() lists it, and the multirun then ends with "not the
#   hydra_plugins package". The same file inside the namespace package hydra_plugins runs.
# Why it matters here: a training project wants to ship the sweeper of its own sweeps (cells that
#   continue) inside its one package, without a second top-level namespace package in its wheel.
# Found with hydra-core 1.3.8, omegaconf 2.3.1, 2026-11-28.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'hydra-core==1.3.8' 'omegaconf==2.3.1' 2>"$work/pip.log" \
  || { cat "$work/pip.log"; exit 2; }
mkdir -p "$work/my_lab" "$work/hydra_plugins"
cat > "$work/my_lab/sweeper.py" <<'PY'
from hydra.plugins.sweeper import Sweeper


class Mine(Sweeper):
    def setup(self, *, hydra_context, task_function, config):
        pass

    def sweep(self, arguments):
        print("swept", *arguments)
PY
cp "$work/my_lab/sweeper.py" "$work/hydra_plugins/sweeper_of_my_lab.py"   # the documented place
cat > "$work/app.py" <<'PY'
import importlib
import sys

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

module = sys.argv.pop(1)
mine = importlib.import_module(module).Mine
Plugins.instance().register(mine)
print("listed" if mine in Plugins.instance().discover(Sweeper) else "not listed")
node = {"_target_": f"{module}.Mine"}
ConfigStore.instance().store(group="hydra/sweeper", name="mine", node=node)


@hydra.main(version_base="1.3", config_path=None)
def main(config):
    pass


main()
PY
cd "$work"
run() { HYDRA_FULL_ERROR=0 "$work/venv/bin/python" app.py "$1" -m hydra/sweeper=mine +x=1,2 2>&1; }
"$work/venv/bin/pip" list 2>/dev/null | grep -E '^(hydra-core|omegaconf) '
echo "my_lab/sweeper.py:";              outside=$(run my_lab.sweeper || true); tail -n 1 <<<"$outside"
echo "hydra_plugins/sweeper_of_my_lab.py:"; inside=$(run hydra_plugins.sweeper_of_my_lab || true); echo "$inside"
grep -q '^listed' <<<"$outside" && grep -q 'not the hydra_plugins package' <<<"$outside" \
  && ! grep -q swept <<<"$outside" && grep -q '^swept' <<<"$inside"
# Output on 2026-11-28:
#   hydra-core             1.3.8
#   omegaconf              2.3.1
#   my_lab/sweeper.py:
#   RuntimeError: Invalid plugin 'my_lab.sweeper.Mine': not the hydra_plugins package
#   hydra_plugins/sweeper_of_my_lab.py:
#   listed
#   swept +x=1,2
