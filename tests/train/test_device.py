"""The GPU is used where there is one, and the number format that is computed faster is taken."""

import pytest
import torch

from rnnmuse.train import device
from rnnmuse.train.device import device_for, half_is_faster, started


@pytest.fixture(autouse=True)
def fresh():
    half_is_faster.cache_clear()
    yield
    half_is_faster.cache_clear()


@pytest.mark.parametrize(
    ("setting", "there", "taken"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("cuda", True, "cuda")],
)
def test_a_setting_chooses_the_device(setting, there, taken):
    assert device_for(setting, lambda: there) == taken


def test_a_gpu_that_is_not_there_is_refused_in_words():
    with pytest.raises(ValueError, match="device: 'cuda'; there is no GPU"):
        device_for("cuda", lambda: False)
    with pytest.raises(ValueError, match="device: 'tpu'; use one of auto, cpu, cuda"):
        device_for("tpu", lambda: True)


@pytest.mark.parametrize(("half", "single", "wanted"), [(1.0, 2.0, True), (8.0, 1.0, False)])
def test_the_faster_number_format_is_taken(monkeypatch, half, single, wanted):
    monkeypatch.setattr(device, "_seconds", {torch.bfloat16: half, torch.float32: single}.get)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert half_is_faster() is wanted
    fabric = started(1, 1, device="cpu")
    assert fabric.strategy.precision.precision == ("bf16-mixed" if wanted else "32-true")
    assert fabric.device == torch.device("cpu")


def test_several_machines_are_told_what_lets_a_restart_hang(monkeypatch):
    machines = {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "RANK": "0", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "0"}
    for name, value in machines.items():
        monkeypatch.setenv(name, value)
    with pytest.warns(UserWarning, match="TORCH_DISABLE_SHARE_RDZV_TCP_STORE: not set; set it to 1 on every machine"):
        device.join_attempt("gloo")
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    device.join_attempt("gloo")
    assert not torch.distributed.is_initialized()


def test_products_are_really_timed():
    assert device._seconds(torch.float32) > 0
    assert device._seconds(torch.bfloat16) > 0
