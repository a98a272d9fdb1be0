"""Files of exported networks: their metadata, and whether they are as they were written.

The metadata are texts by name, in ONNX's `metadata_props`, in `rt_info` of OpenVINO's, and in the
archive of torch's. A seal at the end of a file holds the sha256 of all before it: a last entry of
an ONNX model (whose fields may come in any order), a last comment in OpenVINO's XML.
"""

import hashlib
import re
import tempfile
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from pipeline.lifter import Lifter
from pipeline.runs.files import sha256_of_file
from teachers.plain_values import parse_json

if TYPE_CHECKING:
    import onnx

ONNX, OPENVINO, TORCH_EXPORT = ".onnx", ".xml", ".pt2"
"""Suffixes of the formats."""

LARGEST_FILE = 2**31 - 2**20
"""Bytes of an ONNX model: protobuf reads no 2 GB. Larger weights lie in a second file."""

METADATA = "trilift.json"
"""The metadata in the archive of torch's format."""

SEAL, DATA_SEAL = "sha256", "data_sha256"

FLOAT32 = "float32"

COMMENT = re.compile(
    rb"<!-- sha256 ([0-9a-f]{64}) of the above, ([0-9a-f]{64}) of the weights -->\n$"
)


class NotOurs(ValueError):
    """A file that trilift hasn't written, or that isn't as it was written."""


def weights_sha256(network: nn.Module) -> str:
    """Of the names and values of a network's weights."""
    digest = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def write_onnx(model: "onnx.ModelProto", path: Path) -> None:
    """Writes a model with its seal; it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        whole = Path(folder, path.name)
        save_onnx(model, whole)
        seal_onnx(whole)
        for file in (data_beside(whole), whole):
            if file.is_file():
                file.replace(path.with_name(file.name))


def save_onnx(model: "onnx.ModelProto", path: Path) -> None:
    """Writes a model, one file unless it is too large for that (`LARGEST_FILE`)."""
    import onnx

    if model.ByteSize() <= LARGEST_FILE:
        path.write_bytes(model.SerializeToString())
        return
    onnx.save_model(model, str(path), save_as_external_data=True, location=data_beside(path).name)
    # it has taken the weights out of the model, which may be written in another format, too
    onnx.load_external_data_for_model(model, str(path.parent))


def seal_onnx(path: Path) -> None:
    """Appends the seal (and the sha256 of weights in a second file); it stays an ONNX model."""
    if (data := data_beside(path)).is_file():
        with path.open("ab") as file:
            file.write(_entry(DATA_SEAL, sha256_of_file(data)))
    with path.open("ab") as file:
        file.write(_entry(SEAL, sha256_of_file(path)))


def seal_openvino(path: Path) -> None:
    """Appends the seal, of the XML and of the weights beside it; the file stays XML."""
    comment = (
        f"<!-- sha256 {sha256_of_file(path)} of the above, {_weights_of(path)} of the weights -->\n"
    )
    with path.open("ab") as file:
        file.write(comment.encode())


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of an ONNX or OpenVINO file with an intact seal, or of torch's, which has none.

    Raises:
        FileNotFoundError: there is no such file.
        NotOurs: it can't be read, isn't trilift's, or was changed.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path}: `trilift export network=encoder format=onnx` writes one"
        )
    if path.suffix == ONNX:
        return _of_onnx(path)
    if path.suffix == OPENVINO:
        return _of_openvino(path)
    if path.suffix == TORCH_EXPORT:
        return _of_torch(path)
    raise NotOurs(
        f"{path} is neither .onnx, OpenVINO's .xml nor torch's .pt2: give a file of trilift export"
    )


def _of_onnx(path: Path) -> dict[str, str]:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ModuleNotFoundError as error:
        raise NotOurs(f"reading {path} needs onnx: pip install 'trilift[onnx]'") from error

    content = path.read_bytes()
    length = len(_entry(SEAL, "0" * 64))
    body, end = content[:-length], content[-length:]
    is_sealed = end == _entry(SEAL, hashlib.sha256(body).hexdigest())
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise NotOurs(_damaged(path)) from error
    found = {entry.key: entry.value for entry in model.metadata_props}
    if DATA_SEAL in found:
        data = data_beside(path)
        is_sealed &= data.is_file() and sha256_of_file(data) == found[DATA_SEAL]
    _require_ours(path, found, is_sealed)
    types = onnx.TensorProto.DataType
    allowed = {types.Value(name) for name in ("FLOAT", "INT32", "INT64", "BOOL")}
    if other := {tensor.data_type for tensor in model.graph.initializer} - allowed:
        raise NotOurs(_precision(path, ", ".join(types.Name(kind) for kind in sorted(other))))
    return found


def _of_torch(path: Path) -> dict[str, str]:
    """Without torch's reader, which would unpickle."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next((one for one in archive.namelist() if one.endswith(f"/{METADATA}")), None)
            text = "{}" if name is None else archive.read(name).decode()
    except (zipfile.BadZipFile, UnicodeDecodeError) as error:
        raise NotOurs(_damaged(path)) from error
    found = parse_json(text, f"the metadata of {path}", dict[str, str])
    _require_ours(path, found, is_sealed=True)
    return found


def _of_openvino(path: Path) -> dict[str, str]:
    content = path.read_bytes()
    seal = COMMENT.search(content)
    try:
        tree = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise NotOurs(_damaged(path)) from error
    found = {part.tag: part.get("value", "") for part in tree.findall("rt_info/trilift/*")}
    is_sealed = (
        seal is not None
        and path.with_suffix(".bin").is_file()
        and (
            seal[1].decode() == hashlib.sha256(content[: seal.start()]).hexdigest()
            and seal[2].decode() == _weights_of(path)
        )
    )
    _require_ours(path, found, is_sealed)
    return found


def _require_ours(path: Path, metadata: dict[str, str], is_sealed: bool) -> None:
    if "trilift" not in metadata:
        raise NotOurs(
            f"{path} is no network that trilift has written: make one by `trilift export"
            " network=encoder`"
        )
    if not is_sealed:
        raise NotOurs(_damaged(path))
    if metadata["precision"] != FLOAT32:
        raise NotOurs(_precision(path, metadata["precision"]))


def require_encoder_of(path: Path, metadata: dict[str, str], lifter: Lifter, size: int) -> None:
    """Raises ValueError unless a file holds this student's encoder for images of this size."""
    if metadata["network"] != "encoder":
        raise ValueError(
            f"{path} holds a {metadata['network']}, not an encoder: give a file of `trilift export"
            " network=encoder`"
        )
    mine = weights_sha256(lifter.encoder)
    if metadata["weights_sha256"] != mine:
        raise ValueError(
            f"{path} holds the encoder of another student (weights"
            f" {metadata['weights_sha256'][:12]}…, teacher {metadata['teacher']!r}) than checkpoint"
            f" (weights {mine[:12]}…, teacher {lifter.passport.name!r}): export that one"
        )
    if int(metadata["image_size"]) != size:
        raise ValueError(
            f"{path} takes images of {metadata['image_size']}², {size}² are asked for: export the"
            " encoder again"
        )


def write_properties(model: "onnx.ModelProto", metadata: dict[str, str]) -> None:
    """Metadata into an ONNX model."""
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value


def data_beside(path: Path) -> Path:
    """Where the weights of an ONNX model lie that is too large for one file."""
    return path.with_name(f"{path.name}.data")


def _weights_of(path: Path) -> str:
    return sha256_of_file(path.with_suffix(".bin"))


def _entry(key: str, value: str) -> bytes:
    """A property as bytes at the end of an ONNX model."""
    import onnx

    entry = onnx.StringStringEntryProto(key=key, value=value)
    return bytes(onnx.ModelProto(metadata_props=[entry]).SerializeToString())


def _damaged(path: Path) -> str:
    return (
        f"{path} is damaged, or was changed after trilift had written it: its content has another"
        " sha256 than its seal says; export it again"
    )


def _precision(path: Path, found: str) -> str:
    return (
        f"{path} holds weights in {found}, runtimes here compute in float32: export the encoder"
        " again"
    )
