#!/usr/bin/env bash
# Under jaxtyping's import hook, beartype checks no annotation of a method that names its own class.
#
# One would guess: with install_import_hook(package, "beartype.beartype") every annotation is
#   checked; a method's "-> Self" and '-> "Camera"' mean the same.
# True: the hook applies beartype to each method before the class exists. Then "-> Self" raises
#   BeartypeDecorHintPep673Exception while the module is imported, and the class's own name as a
#   string ('-> "Camera"', 'x: "Camera | None"', 'x: "list[Camera]"') is accepted and never
#   checked: a method may return 1. Another class's name as a string is checked, and so is the own
#   name in a function outside the class.
# Why it matters here: cameras, triplanes and batches have methods that take and return their own
#   kind. The hook is the shape checker of the tests, and these signatures it doesn't cover: their
#   types need assertions of their own.
# Found with jaxtyping 0.3.11, beartype 0.23.1, Python 3.11, 2026-11-28.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'jaxtyping==0.3.11' 'beartype==0.23.1' 'numpy==2.4.6' 2>"$work/pip.log" \
  || { cat "$work/pip.log"; exit 2; }
cd "$work"
cat > with_self.py <<'PY'
from typing import Self


class Camera:
    def moved(self) -> Self:
        return self
PY
cat > with_names.py <<'PY'
class Lens:
    pass


class Camera:
    def returns_own(self) -> "Camera":
        return 1

    def takes_own(self, other: "Camera"):
        return other

    def takes_list_of_own(self, others: "list[Camera]"):
        return others

    def returns_other(self) -> "Lens":
        return 1

    def returns_int(self) -> int:
        return "1"


def function_returns_camera() -> "Camera":
    return 1
PY
cat > main.py <<'PY'
import sys
from importlib.metadata import version

from jaxtyping import install_import_hook

print("jaxtyping", version("jaxtyping"), "beartype", version("beartype"))
try:
    with install_import_hook("with_self", "beartype.beartype"):
        import with_self
    refused = "imported"
except Exception as error:
    refused = type(error).__name__
print("-> Self:", refused)
with install_import_hook("with_names", "beartype.beartype"):
    import with_names

camera, found = with_names.Camera(), {}
for name, call in {
    "returns_own": camera.returns_own,
    "takes_own": lambda: camera.takes_own(1),
    "takes_list_of_own": lambda: camera.takes_list_of_own([1]),
    "returns_other": camera.returns_other,
    "returns_int": camera.returns_int,
    "function_returns_camera": with_names.function_returns_camera,
}.items():
    try:
        call()
        found[name] = "not checked"
    except Exception as error:
        found[name] = type(error).__name__
    print(f"{name}: {found[name]}")
own = [found[name] for name in ("returns_own", "takes_own", "takes_list_of_own")]
others = [found[name] for name in ("returns_other", "returns_int", "function_returns_camera")]
as_described = (
    refused == "BeartypeDecorHintPep673Exception"
    and own == ["not checked"] * 3
    and others == ["TypeCheckError"] * 3
)
sys.exit(0 if as_described else "the behaviour has changed")
PY
"$work/venv/bin/python" main.py
# Output on 2026-11-28:
#   jaxtyping 0.3.11 beartype 0.23.1
#   -> Self: BeartypeDecorHintPep673Exception
#   returns_own: not checked
#   takes_own: not checked
#   takes_list_of_own: not checked
#   returns_other: TypeCheckError
#   returns_int: TypeCheckError
#   function_returns_camera: TypeCheckError
