"""`deep_scan`: what it says of all folders and of one, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from modelshelf.config.sections.deep_scan import DeepScan, Engine, Missed

if TYPE_CHECKING:
    from tests.unit.config.conftest import Load, Refuse

FOLDER = "input_paths: {lora: {path: lora, type: LORA}}\n"


def test_by_default_all_is_read_by_itself_at_any_time_and_as_fast_as_it_goes(load: Load) -> None:
    config = load(FOLDER)
    assert config.deep_scan_of("lora") == DeepScan()
    found = config.file.deep_scan
    assert (found.background, found.window, found.rate_limit, found.missed) == (True, (), None, Missed.SKIP)
    assert (found.chunk_size, found.max_files, found.engine) == (100_000_000_000, 5000, Engine.LOCAL)


@pytest.fixture
def certificates(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have Dask's own configuration name certificates; gives the variables that do."""
    names = [f"DASK_DISTRIBUTED__COMM__TLS__{name}" for name in ("CA_FILE", "CLIENT__CERT", "CLIENT__KEY")]
    for name in names:
        monkeypatch.setenv(name, "/etc/dask/some.pem")
    return names


@pytest.mark.usefixtures("certificates")
def test_values_are_read_as_people_write_them(load: Load) -> None:
    found = load(
        FOLDER
        + """
deep_scan:
  window: 01:00-06:00
  missed: run
  rate_limit: 50 MB/s
  rate_limit_outside_window: 5MiB/sec
  pause_above_celsius: 85 °C
  pause_above_pressure: 40%
  chunk_size: 2 GB
  analysis_limit: 2 min
  stall: 90 s
  scheduler: tls://nas.lan:8786
"""
    ).file.deep_scan
    assert found.window == ("01:00-06:00",)
    assert found.missed is Missed.RUN
    assert (found.rate_limit, found.rate_limit_outside_window) == (50_000_000, 5 * 2**20)
    assert (found.pause_above_celsius, found.pause_above_pressure) == (85, 40)
    assert (found.chunk_size, found.analysis_limit, found.stall) == (2_000_000_000, 120, 90)
    assert found.scheduler == "tls://nas.lan:8786"


def test_a_folder_says_only_what_is_otherwise_there(load: Load) -> None:
    config = load(
        """\
        deep_scan: {window: ["01:00-06:00", "22:00-24:00"], rate_limit: 100MB/s, max_workers: 2}
        input_paths:
          lora: {path: lora, deep_scan: {window: [], rate_limit: off}}
          slow: {path: slow, deep_scan: {background: false, rate_limit: 9000, max_workers: 1}}
          plain: {path: plain, deep_scan: {}}
        """
    )
    lora, slow, plain = (config.deep_scan_of(each) for each in ("lora", "slow", "plain"))
    assert (lora.window, lora.rate_limit, lora.background, lora.max_workers) == ((), 0, True, 2)
    assert (slow.rate_limit, slow.background, slow.max_workers) == (9000, False, 1)
    assert slow.window == ("01:00-06:00", "22:00-24:00")
    assert plain == config.file.deep_scan


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("window: 06:00-06:00", "window: begins when it ends; write 00:00-24:00 for a whole day"),
        ("window: at night", "window: must be a span of the clock such as 01:00-06:00"),
        ("window: ['01:00-06:00', '05:00-07:00']", "window: 05:00-07:00 overlaps another window; make one of them"),
        ("window: 7", "window: must be a list"),
        ("rate_limit: 50 knots", "rate_limit: must be a rate: bytes a second, or a number with a unit such as 50 MB/s"),
        ("rate_limit: 50 MB/h", "rate_limit: must be a rate"),
        ("rate_limit: [1]", "rate_limit: must be a rate"),
        ("rate_limit: 0", "rate_limit: must be a rate"),
        ("analysis_limit: 0", "analysis_limit: must be more than 0"),
        ("chunk_size: off", "chunk_size: must be a size"),
        ("chunk_size: 5 elephants", "chunk_size: must be a size"),
        ("max_files: 0", "max_files: must be at least 1"),
        ("max_workers: 65", "max_workers: must be at most 64"),
        ("pause_above_celsius: hot", "pause_above_celsius: must be a number"),
        ("pause_above_celsius: 5", "pause_above_celsius: must be at least 20"),
        ("pause_above_pressure: 101 %", "pause_above_pressure: must be at most 100"),
        ("stall: 1", "stall: must be at least 10"),
        ("missed: later", "missed: must be one of run, skip"),
        ("engine: ray", "engine: must be one of local, dask"),
        ("scheduler: nas:8786", "scheduler: must be an address such as tcp://127.0.0.1:8786"),
        ("scheduler: tcp://10.0.0.7:8786", "scheduler: must begin with tls:// where it is another machine"),
        ("scheduler: tcp://nas:8786", "scheduler: must begin with tls:// where it is another machine"),
        ("windows: x", "windows: unknown key; did you mean window?"),
    ],
)
def test_a_mistake_names_the_line_the_key_and_what_to_do(line: str, expected: str, refuse: Refuse) -> None:
    [told] = refuse(f"{FOLDER}deep_scan:\n  {line}\n")
    assert told.startswith(f"FILE:3: deep_scan.{expected}")


def test_a_folder_s_own_mistakes_are_told_where_they_stand(refuse: Refuse) -> None:
    [told] = refuse("input_paths:\n  lora:\n    path: lora\n    deep_scan: {missed: run}\n")
    assert told.startswith("FILE:4: input_paths.lora.deep_scan.missed: unknown key")


def test_dask_needs_the_address_of_its_scheduler(refuse: Refuse) -> None:
    [told] = refuse(FOLDER + "deep_scan: {engine: dask}")
    assert told == "FILE:2: deep_scan: scheduler is missing; engine: dask needs its address"


@pytest.mark.usefixtures("certificates")
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "tcp://[::1]:8786", "tcp://localhost:1", "tls://a.b:1"])
def test_without_tls_a_scheduler_is_on_this_machine(address: str, load: Load) -> None:
    config = load(FOLDER + f"deep_scan: {{scheduler: '{address}'}}")
    assert config.file.deep_scan.scheduler == address


def test_a_scheduler_elsewhere_needs_certificates(
    certificates: list[str], monkeypatch: pytest.MonkeyPatch, refuse: Refuse
) -> None:
    for name in certificates[1:]:
        monkeypatch.delenv(name)
    [told] = refuse(FOLDER + "deep_scan: {engine: dask, scheduler: 'TLS://nas.lan:8786'}")
    names = "distributed.comm.tls.client.cert, distributed.comm.tls.client.key"
    assert told == f"FILE:2: deep_scan: scheduler: tls:// needs {names} in Dask's own configuration"


def test_without_dask_a_cluster_cannot_be_had(monkeypatch: pytest.MonkeyPatch, refuse: Refuse) -> None:
    monkeypatch.setattr("modelshelf.config.sections.deep_scan.find_spec", lambda _: None)
    [told] = refuse(FOLDER + "deep_scan: {engine: dask, scheduler: 'tcp://127.0.0.1:8786'}")
    assert told == "FILE:2: deep_scan: engine: dask needs Dask; pip install 'modelshelf[cluster]'"


def test_what_is_shown_can_be_loaded_again(load: Load) -> None:
    config = load(FOLDER + "deep_scan: {window: '01:00-06:00', rate_limit: 50 MB/s, pause_above_celsius: 85}")
    assert yaml.safe_load(config.show())["deep_scan"]["window"] == ["01:00-06:00"]
    assert load(config.show()).file.deep_scan == config.file.deep_scan
    folder = "input_paths: {lora: {path: lora, deep_scan: {window: [], rate_limit: off}}}\n"
    config = load(folder + "deep_scan: {window: '01:00-06:00', rate_limit: 50 MB/s}")
    assert load(config.show()).deep_scan_of("lora") == config.deep_scan_of("lora")
