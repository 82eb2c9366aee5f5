"""Configurations: the same names, defaults and rules as the core's."""

import dataclasses
import pickle
from datetime import timedelta
from typing import Any

import pytest

import gossip
from gossip import Config, ConfigError, PoolConfig, _core
from gossip._config import Key

OURS = {Config: ["leave_timeout"], PoolConfig: ["id", "keys"]}
"""What is not in the core's tables: the end of a `with` block, and what has no text form."""


def rows(cls: type) -> list[Key]:
    return [Key(*row) for row in (_core.config_keys() if cls is Config else _core.pool_keys("lan"))]


@pytest.mark.parametrize("cls", [Config, PoolConfig])
def test_the_fields_are_the_keys_of_the_core(cls: Any) -> None:
    fields = {field.name for field in dataclasses.fields(cls)}

    assert fields - set(OURS[cls]) == {key.name for key in rows(cls)}


@pytest.mark.parametrize(("cls", "made"), [(Config, Config()), (PoolConfig, PoolConfig(id=0))])
def test_the_defaults_are_those_of_the_core(cls: Any, made: Any) -> None:
    for key in rows(cls):
        value = getattr(made, key.name)
        text = value.decode() if key.name == "meta" else key.to_text(value)
        assert text == key.default, key.name


@pytest.mark.parametrize("preset", ["lan", "wan", "local"])
def test_a_preset_is_that_of_the_core(preset: str) -> None:
    made = getattr(PoolConfig, preset)(1)

    for key in (Key(*row) for row in _core.pool_keys(preset)):
        value = getattr(made, key.name)
        assert (value.decode() if key.name == "meta" else key.to_text(value)) == key.default, key.name


def test_a_change_overrides_a_preset() -> None:
    assert PoolConfig.wan(1, gossip_nodes=9).gossip_nodes == 9
    assert PoolConfig.wan(1).replace(gossip_nodes=9) == PoolConfig.wan(1, gossip_nodes=9)


def test_durations_are_seconds_or_timedelta() -> None:
    by_number = PoolConfig.lan(1, probe_interval=2, probe_timeout=0.25)
    by_timedelta = PoolConfig.lan(
        1, probe_interval=timedelta(seconds=2), probe_timeout=timedelta(milliseconds=250)
    )

    assert by_number == by_timedelta
    assert isinstance(by_timedelta.probe_timeout, float)


def test_lists_may_be_text_or_sequences() -> None:
    assert Config(bind_addr="127.0.0.1, ::1").bind_addr == ("127.0.0.1", "::1")
    assert Config(bind_addr=["127.0.0.1"]).bind_addr == ("127.0.0.1",)
    assert PoolConfig.lan(1, cidrs_allowed="10.0.0.0/8").cidrs_allowed == ("10.0.0.0/8",)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Config(threads=0), "threads"),
        (lambda: Config(bind_port=65536), "bind_port"),
        (lambda: Config(bind_addr="localhost"), "bind_addr"),
        (lambda: Config(bind_addr=()), "bind_addr"),
        (lambda: Config(name="x" * 256), "name"),
        (lambda: Config(sniff_timeout=-1), "sniff_timeout"),
        (lambda: Config(advertise_addr="0.0.0.0"), "advertise_addr"),
        (lambda: PoolConfig.lan(256), "id"),
        (lambda: PoolConfig.lan(1, probe_timeout=2), "probe_timeout"),
        (lambda: PoolConfig.lan(1, probe_interval=0.0004), "probe_interval"),
        (lambda: PoolConfig.lan(1, probe_interval=float("nan")), "probe_interval"),
        (lambda: PoolConfig.lan(1, meta=bytes(513)), "meta"),
        (lambda: PoolConfig.lan(1, label="x" * 256), "label"),
        (lambda: PoolConfig.lan(1, framing="sideways"), "framing"),
        (lambda: PoolConfig.lan(1, delegate_protocol_min=2), "delegate_protocol_min"),
        (lambda: PoolConfig.lan(1, cidrs_allowed=["10.0.0.0/40"]), "cidrs_allowed"),
        (lambda: PoolConfig.lan(1, gossip_nodes=-1), "gossip_nodes"),
    ],
)
def test_a_refused_value_names_its_field(make: Any, field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        make()

    assert refused.value.field == field
    assert field in str(refused.value)
    assert isinstance(refused.value, ValueError)


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        Config(threads=0, bind_addr="localhost", sniff_timeout=0)

    assert [field for field, _, _ in refused.value.problems] == ["bind_addr", "threads", "sniff_timeout"]
    assert all(field in str(refused.value) for field in ("bind_addr", "threads", "sniff_timeout"))
    assert pickle.loads(pickle.dumps(refused.value)).problems == refused.value.problems


@pytest.mark.parametrize(
    "make",
    [
        lambda: Config(bind_port="7946"),  # type: ignore[arg-type]
        lambda: Config(threads=True),
        lambda: Config(name=b"a"),  # type: ignore[arg-type]
        lambda: PoolConfig.lan("1"),  # type: ignore[arg-type]
        lambda: PoolConfig.lan(1, enable_compression="yes"),
        lambda: PoolConfig.lan(1, probe_interval="1s"),
        lambda: PoolConfig.lan(1, meta="text"),
        lambda: PoolConfig.lan(1, unknown=1),
    ],
)
def test_a_wrong_type_is_a_type_error(make: Any) -> None:
    with pytest.raises(TypeError):
        make()


def test_keys_are_checked_and_never_shown() -> None:
    made = PoolConfig.lan(1, keys=[b"k" * 16])

    assert "kkkk" not in repr(made)
    with pytest.raises(gossip.KeyringError):
        PoolConfig.lan(1, keys=[b"k" * 15])


def test_configurations_are_frozen_and_can_be_pickled() -> None:
    made = PoolConfig.lan(1, keys=[b"k" * 16])

    with pytest.raises(dataclasses.FrozenInstanceError):
        made.id = 2  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(made)) == made
