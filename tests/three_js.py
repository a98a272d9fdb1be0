"""three.js of npm for tests of exported files: one pinned release, fetched once, checked by hash.

It isn't kept in the repository: two megabytes of somebody else's code that only tests run. Where
npm or the network is missing, those tests are skipped.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

VERSION = "0.187.0"
SHA512 = "Qiu7R+Cmh8CstZsY1uJOSWnVlfo7ZtNLV7mF8Jltk3LB3AtDu9cRZlcnRKkAk8Y4z6KKw35z7Y7Urd7jWY8etA=="
FILES = (
    "build/three.module.js",
    "build/three.core.js",
    "examples/jsm/loaders/GLTFLoader.js",
    "examples/jsm/utils/BufferGeometryUtils.js",
    "examples/jsm/utils/SkeletonUtils.js",
)


def three_js() -> dict[str, bytes]:
    """The package's files by path; skips the test where the package can't be had."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trilift" / "npm"
    package = cache / f"three-{VERSION}.tgz"
    if not package.exists():
        _fetch(cache)
    if not package.exists():
        pytest.skip(f"three {VERSION} can't be fetched by npm, and isn't in {cache}")
    found = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    assert found == SHA512, f"{package} isn't the package that npm lists: delete it"
    with tarfile.open(package) as archive:
        return {name: archive.extractfile(f"package/{name}").read() for name in FILES}


def _fetch(cache: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        return
    cache.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            [npm, "pack", f"three@{VERSION}"], cwd=cache, capture_output=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        return
