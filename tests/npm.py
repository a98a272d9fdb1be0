"""Packages of npm for tests of exported files: pinned releases, fetched once, checked by hash.

They aren't kept in the repository: megabytes of somebody else's code that only tests run. Where npm
or the network is missing, those tests are skipped.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

THREE = (
    "three",
    "0.187.0",
    "Qiu7R+Cmh8CstZsY1uJOSWnVlfo7ZtNLV7mF8Jltk3LB3AtDu9cRZlcnRKkAk8Y4z6KKw35z7Y7Urd7jWY8etA==",
)
SPLATS = (
    "@mkkellogg/gaussian-splats-3d",
    "0.4.7",
    "0vy9/i9sJLFH/v3WJZ4axCsqjkToe8UsV3xY7bvK5EUC0akiRsWZODoCiSzpxhTLNyzSKTsyQKozIFeNA5RWRA==",
)
"""Name, version, SHA-512 as npm lists it."""


def three_js() -> dict[str, bytes]:
    """Files of three.js by path; skips the test where the package can't be had."""
    return _files(
        *THREE,
        "build/three.module.js",
        "build/three.core.js",
        "examples/jsm/loaders/GLTFLoader.js",
        "examples/jsm/utils/BufferGeometryUtils.js",
        "examples/jsm/utils/SkeletonUtils.js",
    )


def splat_viewer() -> dict[str, bytes]:
    """Files of a viewer of Gaussian splats on three.js; likewise."""
    return _files(*SPLATS, "build/gaussian-splats-3d.module.js")


def _files(name: str, version: str, sha512: str, *paths: str) -> dict[str, bytes]:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trilift" / "npm"
    package = cache / f"{name.lstrip('@').replace('/', '-')}-{version}.tgz"
    if not package.exists():
        _fetch(f"{name}@{version}", cache)
    if not package.exists():
        pytest.skip(f"{name} {version} can't be fetched by npm, and isn't in {cache}")
    found = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    assert found == sha512, f"{package} isn't the package that npm lists: delete it"
    with tarfile.open(package) as archive:
        return {path: archive.extractfile(f"package/{path}").read() for path in paths}


def _fetch(package: str, cache: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        return
    cache.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run([npm, "pack", package], cwd=cache, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return
