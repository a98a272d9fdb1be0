#!/usr/bin/env bash
# Under jaxtyping's import hook no function of a module can be compiled by numba, annotated or not.
#
# One would guess: jaxtyping's import hook checks annotated functions at run time and leaves others
#   alone, so a numba kernel without annotations compiles as before.
# True: the hook decorates every function of the module, below its other decorators, so numba is
#   given the checking wrapper: compiling it ends in "unsupported opcode", and with cache=True
#   before that in a pickling error about a weak reference, which names neither jaxtyping nor the
#   hook. `typing.no_type_check` as the innermost decorator mends both.
# Why it matters here: shapes are checked by the hook in tests, and rays, puppets
#   and heads are drawn by numba kernels; a kernel without that decorator works for users and fails in tests.
# Found with jaxtyping 0.3.11, beartype 0.23.1, numba 0.68.1, 2026-11-29.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
  'jaxtyping==0.3.11' 'beartype==0.23.1' 'numba==0.68.1' 'numpy==2.4.6' \
  2>"$work/pip.log" || { cat "$work/pip.log"; exit 2; }
cd "$work"
write() { cat > "$1.py" <<PY
from typing import no_type_check

import numba


@numba.njit(cache=$2)
$3
def double(x):
    return 2.0 * x
PY
}
write uncached False ''
write cached True ''
write exempt True '@no_type_check'
cat > try.py <<'PY'
import sys

import jaxtyping

name, hooked = sys.argv[1], sys.argv[2] == "hooked"
if hooked:
    jaxtyping.install_import_hook(name, "beartype.beartype")
module = __import__(name)
try:
    print("gives", module.double(1.5))
except Exception as error:
    print(f"ends in {type(error).__name__}: {str(error).splitlines()[0][:90]}")
PY
export NUMBA_CACHE_DIR="$work/cache"
"$work/venv/bin/python" -c 'import jaxtyping, numba; print("jaxtyping", jaxtyping.__version__, "numba", numba.__version__)'
failed=0
expect() { # NAME HOOKED WORD
  rm -rf "$NUMBA_CACHE_DIR"
  found=$("$work/venv/bin/python" try.py "$1" "$2" 2>&1 | tail -1)
  echo "$1, $2: $found"
  case $found in "$3"*) ;; *) failed=1 ;; esac
}
expect cached plain gives
expect uncached hooked ends
expect cached hooked ends
expect exempt hooked gives
exit $failed
# Output on 2026-11-29:
#   jaxtyping 0.3.11 numba 0.68.1
#   cached, plain: gives 3.0
#   uncached, hooked: ends in UnsupportedBytecodeError: Use of unsupported opcode (DICT_MERGE) found. …
#   cached, hooked: ends in TypeError: cannot pickle 'weakref.ReferenceType' object
#   exempt, hooked: gives 3.0
