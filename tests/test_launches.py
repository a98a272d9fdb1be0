"""The examples of launching: what each file's header says to type is a configuration that its
processes can share.
"""

import re

import pytest

from pipeline.build.configuration import compose, configuration_folder

FOLDER = configuration_folder() / "trainer"
IDENTITIES_IN_A_GROUP = 4
"""Of the discriminator's minibatch statistics."""


@pytest.mark.parametrize("name", ["one_gpu", "two_nodes", "slurm"])
def test_a_launch_composes_with_as_many_processes_as_it_starts(name):
    header = (FOLDER / f"{name}.yaml").read_text().replace("\\\n#", " ")
    (arguments,) = re.findall(r"^#.*?distill ((?:[\w./=]+ ?)+)$", header, re.MULTILINE)
    config = compose("distill", *arguments.split())
    assert f"trainer={name}" in arguments and config.trainer.accelerator == "gpu"
    started = [
        int(count)
        for count in re.findall(r"--(?:nnodes|nproc-per-node|nodes|ntasks-per-node)=(\d+)", header)
    ] or [1, 1]
    assert [config.trainer.num_nodes, config.trainer.devices] == started
    at_once = started[0] * started[1] * config.trainer.accumulate
    assert config.batch_size % (at_once * IDENTITIES_IN_A_GROUP) == 0
