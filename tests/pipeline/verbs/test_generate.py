"""trilift generate: files, messages, refusals, fleets; training from any source agrees."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from pipeline.build.configuration import compose, free_keys, instantiate, to_plain
from pipeline.build.sampler import build_sampler, build_source
from pipeline.data.shard_errors import NumberOutsideRange
from pipeline.data.shard_folder import ShardFolder
from pipeline.data.shard_writer import ShardWriter
from pipeline.runs.resume import SafetensorsCheckpointIO
from pipeline.runs.run_folder import RunFolder
from pipeline.sampling.sampler import TeacherSampler
from pipeline.verbs.distill import distill
from pipeline.verbs.generate import describe, ended_by_sigterm, main
from tests.builders import STUDENT_SETTINGS, process_environment

SHORT_RUN = [
    *STUDENT_SETTINGS,
    "batch_size=2",
    "calibration_samples=2",
    "trainer.threads=1",
    "callbacks.validation.samples=0",
    "callbacks.preview.identities=0",
    "callbacks.average.half_life=0",
    "trainer.max_steps=3",
]
SMALL = [
    "teacher=untrained_tiny",
    "shards.size=4",
    "count=8",
    "batch_size=4",
    "threads=1",
    "device=cpu",
]


@pytest.fixture
def generate(tmp_path):
    """Runs the verb in this process; returns the folder."""

    def run(*overrides: str) -> Path:
        config = compose("generate", *SMALL, f"output={tmp_path / 'identities'}", *overrides)
        main(config)
        return tmp_path / "identities"

    return run


def fleet(folder: Path, *overrides: str) -> str:
    command = [
        sys.executable,
        "-m",
        "pipeline.verbs.generate",
        "-m",
        *SMALL,
        "count=16",
        "output=identities",
        *overrides,
    ]
    done = subprocess.run(
        command, cwd=folder, env=process_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def shards(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (folder / "shards").iterdir()}


def source(data: str, *overrides: str, identities: int = 8):
    config = compose("distill", "teacher=untrained_tiny", f"data={data}", *overrides)
    return build_source(
        to_plain(config), build_sampler(config, instantiate(config.teacher)), identities=identities
    )


def test_the_same_command_resumes_and_a_larger_count_adds_identities(generate, caplog):
    caplog.set_level("INFO")
    before = shards(generate())
    assert "identities/s" in caplog.text and "holds 8 identities" in caplog.text
    caplog.clear()
    after = shards(generate("count=12"))
    assert "wrote 1 shards" in caplog.text
    assert before.items() < after.items() and len(after) == 6


def test_verify_names_invalid_shards_and_repair_writes_them_again(generate, caplog):
    folder = generate()
    whole = shards(folder)
    generate("verify=true")
    tar = ShardFolder(folder).tar(1)
    tar.write_bytes(tar.read_bytes()[:-1000])
    with pytest.raises(SystemExit) as left:
        generate("verify=true")
    assert left.value.code == 1 and "000001.tar has" in caplog.text and "repair=true" in caplog.text
    generate("repair=true")
    assert shards(folder) == whole


@pytest.mark.parametrize("outside", [0, 2])
def test_repair_writes_what_it_removes_also_outside_the_identities_asked_for(generate, outside):
    folder = generate("count=12")
    whole = shards(folder)
    tar = ShardFolder(folder).tar(outside)
    tar.write_bytes(tar.read_bytes()[:-1000])
    generate("repair=true", "first=4", "count=4")
    assert shards(folder) == whole
    generate("verify=true")


def test_verify_finds_a_manifest_that_does_not_agree_and_repair_writes_it_again(generate, caplog):
    folder = generate()
    file = folder / "manifest.json"
    whole = file.read_bytes()
    sha256 = ShardFolder(folder).facts(1)[0].sha256.encode()
    file.write_bytes(whole.replace(sha256, b"0" * 64))
    with pytest.raises(SystemExit) as left:
        generate("verify=true")
    assert left.value.code == 1 and "shards: 000001" in caplog.text and "repair=true" in caplog.text
    generate("repair=true")
    assert file.read_bytes() == whole
    generate("verify=true")


def test_sigterm_releases_the_claim_and_leaves_no_partial_shard(tmp_path):
    config = compose("generate", *SMALL)
    teacher = instantiate(config.teacher)
    description, sampler = (
        describe(to_plain(config), teacher),
        build_sampler(to_plain(config), teacher),
    )
    writer = ShardWriter(
        folder=ShardFolder(tmp_path), description=description, sampler=sampler, batch_size=1
    )
    with pytest.raises(SystemExit) as left, ended_by_sigterm():
        writer.write(0, lambda count: os.kill(os.getpid(), signal.SIGTERM))
    assert left.value.code == 143 and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert not [
        file for file in tmp_path.rglob("*") if file.is_file() and file.name != "description.json"
    ]
    assert writer.write(0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("count=10", "use first=0 count=12"),
        ("first=2", "use first=0 count=8"),
        ("first=1000000000", "are held out for validation"),
        ("count=0", "at least 1"),
    ],
)
def test_counts_that_are_not_full_shards_and_held_out_identities_are_refused(
    generate, tmp_path, wrong, message
):
    with pytest.raises(ValueError, match=message):
        generate(wrong)
    assert not list(tmp_path.iterdir())  # a corrected command isn't refused


@pytest.mark.parametrize("wrong", ["0", "-3", "2.5", "true"])
def test_a_fixed_set_of_no_whole_number_is_refused_and_the_corrected_command_is_not(
    generate, wrong
):
    message = rf"sampler\.identities is {wrong.title()}: give a whole number of at least 1, or null"
    with pytest.raises(ValueError, match=message):
        generate("sampler=cached_identities", f"sampler.identities={wrong}")
    folder = generate("sampler=cached_identities", "sampler.identities=2")
    assert ShardFolder(folder).read().count == 8


def test_a_folder_of_other_identities_is_refused(generate):
    generate()
    with pytest.raises(ValueError, match=r"distributions\.sampler\.latents\.truncation"):
        generate("sampler=truncated")


def test_live_is_the_sampler_and_shards_have_their_own_seed(generate, caplog):
    folder = generate("seed=5")
    assert isinstance(source("live"), TeacherSampler)
    stored, live = (
        source("latent_shards", f"data.path={folder}", "seed=7"),
        source("live", "seed=5"),
    )
    assert torch.allclose(stored([0, 5]).image, live([0, 5]).image, atol=1e-5, rtol=0)


def test_a_training_that_needs_more_identities_than_are_stored_is_refused_at_the_start(generate):
    folder = generate()
    with pytest.raises(
        NumberOutsideRange,
        match=r"sample number 8 isn't stored; these are: 0 to 7.*data\.repeat=true",
    ):
        source("latent_shards", f"data.path={folder}", identities=9)
    assert source("latent_shards", f"data.path={folder}", "data.repeat=true", identities=9)(
        [9]
    ).samples.tolist() == [1]


def weights_after(folder: Path, *overrides: str) -> dict[str, torch.Tensor]:
    """The student's weights after three steps of a distillation."""
    config = compose(
        "distill", "teacher=untrained_tiny", *SHORT_RUN, *overrides, f"paths.run={folder}"
    )
    with RunFolder(folder) as run:
        run.record(to_plain(config), free=free_keys(config))
        distill(config, run)
    return SafetensorsCheckpointIO().load_checkpoint(folder / "checkpoints" / "last")["state_dict"]


def test_training_from_latent_shards_gives_the_weights_of_training_live_and_from_full_shards_nearly(
    generate, tmp_path
):
    latent = generate().rename(tmp_path / "latent")
    full = generate(
        "shards=full",
        "shards.size=4",
        "shards.pictures=float32",
        "shards.features=float32",
        "shards.planes=float32",
    )
    live = weights_after(tmp_path / "a")
    stored = weights_after(tmp_path / "b", "data=latent_shards", f"data.path={latent}")
    exact = weights_after(tmp_path / "c", "data=full_shards", f"data.path={full}")
    weights_after(tmp_path / "d", "trainer.max_steps=2")
    changed = weights_after(
        tmp_path / "d", "data=latent_shards", f"data.path={latent}"
    )  # resumes with the same identities
    assert live.keys() == stored.keys() == exact.keys() == changed.keys()
    assert all(torch.equal(value, changed[name]) for name, value in live.items())
    assert all(torch.equal(value, stored[name]) for name, value in live.items())
    assert all(
        torch.allclose(value, exact[name], atol=1e-4, rtol=1e-3) for name, value in live.items()
    )


@pytest.mark.parametrize("fleet", ["joblib", "slurm", "submitit_local"])
def test_every_fleet_composes(fleet):
    assert OmegaConf.select(compose("generate", f"fleet={fleet}"), "verb") == "generate"


# What submitit adds, a sweep's cells show as well (tests/pipeline/sweeps).
@pytest.mark.parametrize("kind", ["joblib", pytest.param("submitit_local", marks=pytest.mark.slow)])
def test_a_fleet_on_this_machine_writes_each_shard_once_and_the_same_bytes_as_one_worker(
    generate, tmp_path, kind
):
    said = fleet(tmp_path, f"fleet={kind}", "worker=range(2)", "output=fleet")
    alone = generate("count=16")
    assert shards(tmp_path / "fleet") == shards(alone)
    assert (tmp_path / "fleet" / "manifest.json").read_bytes() == (
        alone / "manifest.json"
    ).read_bytes()
    assert kind != "joblib" or "worker 1 wrote" in said
