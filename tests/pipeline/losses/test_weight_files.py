"""Missing weight files fail early; files are recognised by hashes and never executed."""

import hashlib
import logging
import pickle
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file

from pipeline.build.configuration import compose, instantiate
from pipeline.losses.weight_files import WeightFile, read_weights, require_weights


def test_everything_that_is_missing_is_named_in_one_message(tmp_path):
    files = [
        WeightFile("vgg16-397923af.pth", "VGG16", "https://example.org/vgg"),
        WeightFile("face.pth", "a face network", "its authors"),
        WeightFile("heads.pt", "heads", "elsewhere", sha256="ab" * 32),
    ]
    with pytest.raises(FileNotFoundError) as caught:
        require_weights(files, tmp_path / "weights")
    message = str(caught.value)
    for said in (
        f"missing in {tmp_path / 'weights'}",
        "vgg16-397923af.pth: VGG16, sha256 397923af…\n    from https://example.org/vgg",
        "face.pth: a face network, sha256 not known here",
        f"sha256 {'ab' * 32}\n",
        "paths.weights=DIR",
    ):
        assert said in message


def write(path: Path, content: bytes = b"weights") -> str:
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def test_a_name_with_a_hash_is_believed_and_checked(tmp_path):
    digest = write(tmp_path / "right.pth")
    (tmp_path / "right.pth").rename(tmp_path / f"net-{digest[:8]}.pth")
    assert require_weights([WeightFile(f"net-{digest[:8]}.pth", "a net", "?")], tmp_path) == [
        tmp_path / f"net-{digest[:8]}.pth"
    ]
    write(tmp_path / "net-00000000.pth")
    with pytest.raises(ValueError, match=f"its sha256 is {digest}, expected sha256 00000000…"):
        require_weights([WeightFile("net-00000000.pth", "a net", "?")], tmp_path)


def test_a_given_hash_is_enforced_and_an_unknown_one_logged(tmp_path, caplog):
    digest = write(tmp_path / "net.pth")
    require_weights([WeightFile("net.pth", "a net", "?", sha256=digest.upper())], tmp_path)
    with pytest.raises(ValueError, match="is not a net"):
        require_weights([WeightFile("net.pth", "a net", "?", sha256="1" + digest[1:])], tmp_path)
    assert not caplog.text
    with caplog.at_level(logging.INFO):
        require_weights([WeightFile("net.pth", "a net", "?")], tmp_path)
    assert digest in caplog.text


def test_a_file_elsewhere_is_taken_only_if_the_folder_has_none(tmp_path):
    other = tmp_path / "other.pth"
    write(other)
    file = WeightFile("net.pth", "a net", "?", elsewhere=(tmp_path / "nothing", other))
    assert require_weights([file], tmp_path) == [other]
    write(tmp_path / "net.pth")
    assert require_weights([file], tmp_path) == [tmp_path / "net.pth"]


def test_tensors_are_read_from_both_formats(tmp_path):
    state = {"a.weight": torch.arange(3.0)}
    save_file(state, tmp_path / "net.safetensors")
    torch.save({"a.weight": torch.nn.Parameter(state["a.weight"])}, tmp_path / "net.pth")
    for name in ("net.safetensors", "net.pth"):
        read = read_weights(tmp_path / name)
        assert (
            torch.equal(read["a.weight"], state["a.weight"]) and not read["a.weight"].requires_grad
        )


class Trap:
    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trap.pth").write_bytes(pickle.dumps({"a": Trap()}))
    with pytest.raises(ValueError, match="can't be read as network weights"):
        read_weights(tmp_path / "trap.pth")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    "content, said", [([1], "holds a list"), ({"state": {}}, "holds a dictionary with dict")]
)
def test_what_is_no_state_dict_is_refused(tmp_path, content, said):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=said):
        read_weights(tmp_path / "net.pth")


@pytest.mark.parametrize(
    "name, missing",
    [
        ("perceptual", "vgg16-397923af.pth"),
        ("dists", "vgg16-397923af.pth"),
        ("identity", "arcface_r50.pth"),
    ],
)
def test_a_run_without_its_weights_ends_when_its_losses_are_built(
    name, missing, tmp_path, monkeypatch
):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    config = compose("distill", f"loss=[image,{name}]", f"paths.weights={tmp_path}")
    with pytest.raises(
        FileNotFoundError, match=rf"weights are missing in {tmp_path}:\n  {missing}"
    ):
        instantiate(config.loss[name])


def test_the_folder_comes_from_a_variable(monkeypatch):
    monkeypatch.setenv("TRILIFT_WEIGHTS", "/somewhere")
    assert (
        OmegaConf.select(compose("distill", "loss=[dists]"), "loss.dists.weights_folder")
        == "/somewhere"
    )
    monkeypatch.delenv("TRILIFT_WEIGHTS")
    assert (
        OmegaConf.select(compose("distill", "loss=[dists]"), "loss.dists.weights_folder")
        == "weights"
    )
