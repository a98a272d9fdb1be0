"""Weights & Biases without a login is one sentence, before anything is trained or scored."""

import pytest

from pipeline.runs.loggers import wandb_errors, wandb_logger
from pipeline.verbs.evaluate import require_wandb

wandb = pytest.importorskip("wandb")


@pytest.fixture
def without_login(tmp_path, monkeypatch):
    """No key in the environment or in a file, and no terminal to ask at."""
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    wandb.teardown()
    yield
    wandb.teardown()


def test_a_logger_without_a_login_says_what_to_do(tmp_path, without_login, monkeypatch):
    with pytest.raises(ValueError, match=r"`wandb login` or WANDB_API_KEY.*logger\.wandb\.offline"):
        wandb_logger(folder=str(tmp_path), project="trilift", name="a")
    assert not list(tmp_path.glob("**/wandb_id"))
    wandb_logger(folder=str(tmp_path), project="trilift", name="a", offline=True)
    monkeypatch.setenv("WANDB_MODE", "offline")
    wandb_logger(folder=str(tmp_path), project="trilift", name="a")


def test_an_evaluation_without_a_login_fails_before_it_scores(without_login):
    with pytest.raises(ValueError, match="or give wandb=offline"):
        require_wandb("online")
    require_wandb("offline")
    require_wandb(None)


def test_a_server_that_does_not_answer_is_one_sentence_too():
    message = r"can't be used \(no answer in 90 s\): .*wandb=offline"
    with pytest.raises(ValueError, match=message), wandb_errors("wandb=offline"):
        raise wandb.errors.CommError("no answer\nin 90 s")
