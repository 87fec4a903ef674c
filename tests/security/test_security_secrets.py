"""The key: nobody is told it but the home host; it is in no log, file, database, command line or answer of ours."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from modelshelf.store.backups import make_backup
from modelshelf.store.store import Store
from tests.acceptance.process import REPOSITORY, DaemonProcess
from tests.acceptance.shelf import introduce, is_described
from tests.fakes import civitai_moods as moods
from tests.fakes.civitai_server import CivitaiStandIn
from tests.security.stranger import CONTENT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.fakes.civitai_wire import RecordedRequest

KEY = "c1v1-s3cr3t-k3y-0123456789"
CONFIG = """
input_paths: {{shelf: {{path: {models}, type: LORA}}}}
store: {{directory: {state}}}
api: {{key: {key}, base_url: "{api_url}", batch: {{rate_limit: 100000}}}}
watch: {{stability_delay: 1}}
logging: {{level: DEBUG, console: {{level: DEBUG}}, file: {{enabled: true, directory: {logs}, level: DEBUG}}}}
"""
SPELLINGS = (KEY, base64.b64encode(KEY.encode()).decode().rstrip("="), KEY.encode().hex(), KEY[::-1])


def config_text(folder: Path, api_url: str) -> str:
    return CONFIG.format(
        models=folder / "models", state=folder / "state", logs=folder / "logs", key=KEY, api_url=api_url
    )


def holding_the_key(*roots: Path) -> list[str]:
    """Give the files below that hold the key in any spelling, compressed columns of the database aside."""
    files = [each for root in roots for each in root.rglob("*") if each.is_file()]
    return [str(each) for each in files if any(text.encode() in each.read_bytes() for text in SPELLINGS)]


@pytest.mark.acceptance
def test_the_key_is_told_to_the_home_host_and_nowhere_else(tmp_path: Path) -> None:
    with CivitaiStandIn() as civitai, CivitaiStandIn() as stranger:
        answers = iter([moods.unauthorized, moods.crashed, moods.redirect_loop])

        def mood_for(request: RecordedRequest) -> Any:
            if request.route.startswith("/images"):
                return moods.redirected(f"{stranger.origin}{request.path}")
            return next(answers, None)

        civitai.mood_for = mood_for
        introduce(civitai, CONTENT, "model")
        config = config_text(tmp_path, civitai.base_url)
        with DaemonProcess(tmp_path, civitai.base_url, config=config) as daemon:
            (daemon.models / "model.safetensors").write_bytes(CONTENT)
            wait_until(lambda: civitai.requests)
            said = []
            for words in (
                ("config", "show"),
                ("status",),
                ("failures",),
                ("status", "--json"),
                ("why", "model.safetensors"),
            ):
                ran = daemon.command(*words)
                said.append(ran.stdout + ran.stderr)
            wait_until(lambda: next(answers, None) is None or is_described(daemon.models / "model.safetensors"))
            daemon.stop()
            daemon.start()  # who refuses the key is asked again by a new start
            daemon.command("retry", "--all")
            wait_until(lambda: is_described(daemon.models / "model.safetensors"), timeout=60)
            command_line = Path(f"/proc/{daemon.pid}/cmdline").read_bytes()
            held = holding_the_key(daemon.models, daemon.state, tmp_path / "logs")
        assert not [text for text in said if KEY in text]
        assert any("api" in text and "***" in text for text in said)
        assert KEY.encode() not in command_line
        assert held == []
        assert KEY not in daemon.log.read_text(errors="replace")
        assert [*(tmp_path / "logs").iterdir()], "nothing was logged to look through"
        told = [each for each in stranger.requests if any(KEY in text for text in (each.path, *each.headers.values()))]
        assert stranger.requests
        assert told == []
        paths = [each.path for each in civitai.requests]
        assert not [path for path in paths if KEY in path or quote(KEY) in path]
        assert {each.headers.get("authorization") for each in civitai.requests if "/api/" in each.path} == {
            f"Bearer {KEY}"
        }


@pytest.mark.parametrize(
    "spoilt",
    [
        "api: {{key: [{key}]}}",
        "api: {{key: {key}, base_url: 'http://{key}@x/'}}",
        "api: {{key: '{key}",
        "{key}: {{a: 1}}\napi: {{key: {key}}}",
    ],
)
def test_no_complaint_about_the_configuration_repeats_the_key(tmp_path: Path, spoilt: str) -> None:
    config = tmp_path / "modelshelf.yaml"
    config.write_text(spoilt.format(key=KEY))
    run = subprocess.run(
        [sys.executable, "-m", "modelshelf", "--config", str(config), "config", "check"],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert run.returncode
    assert run.stderr.strip()
    assert KEY not in run.stdout + run.stderr


@pytest.mark.acceptance
def test_what_the_daemon_keeps_for_itself_is_readable_by_nobody_else_whatever_the_umask(tmp_path: Path) -> None:
    config = tmp_path / "modelshelf.yaml"
    with CivitaiStandIn() as civitai:
        config.write_text(config_text(tmp_path / "deep", civitai.base_url))
        (tmp_path / "deep" / "models").mkdir(parents=True)
        (tmp_path / "deep" / "models" / "model.safetensors").write_bytes(CONTENT)
        state = tmp_path / "deep" / "state"
        process = subprocess.Popen(
            [sys.executable, "-m", "modelshelf", "--config", str(config), "run"],
            umask=0, cwd=REPOSITORY, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": str(tmp_path)},
        )  # fmt: skip
        try:
            wait_until(lambda: (state / "poke.sock").exists() or process.poll() is not None, timeout=60)
            wait_until((tmp_path / "deep" / "models" / "gallery.html").exists, timeout=60)
            kept = [state, *state.rglob("*"), *(tmp_path / "deep" / "logs").rglob("*")]
            modes = {str(each.relative_to(tmp_path)): stat.S_IMODE(each.lstat().st_mode) for each in kept}
        finally:
            process.terminate()
            process.wait(timeout=20)
    assert {Path(name).name for name in modes} >= {"modelshelf.db", "modelshelf.db-wal", "lock", "poke.sock"}
    logs = {name: mode for name, mode in modes.items() if name.endswith(".log")}
    assert [oct(mode) for mode in logs.values()] == ["0o640"]
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {name: oct(0o640) for name in logs}


def test_a_backup_of_the_store_is_readable_by_nobody_else_whatever_the_umask(tmp_path: Path) -> None:
    store = tmp_path / "state" / "modelshelf.db"
    before = os.umask(0)
    try:
        Store.open(store).close()
        backup = make_backup(store, datetime.now(UTC))
    finally:
        os.umask(before)
    kept = [store.parent, *store.parent.rglob("*")]
    assert backup.path in kept
    assert [str(each) for each in kept if stat.S_IMODE(each.stat().st_mode) & 0o077] == []
