"""`make run` without MODELS: make a demo shelf, start the stand-in for Civitai and the daemon, and drop a file."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from contrib.demo.shelf import DROPPED, Exhibit, fill, introduce
from tests.fakes.civitai_server import CivitaiStandIn

ROOT = Path("demo").resolve()
PATIENCE_SECONDS = 60.0


def say(text: str) -> None:
    """Tell the person what happens, apart from the daemon's own lines."""
    print(f"\n\033[1mdemo: {text}\033[0m" if sys.stdout.isatty() else f"\ndemo: {text}", flush=True)


CONFIGURATION = """\
# The demo's own configuration: one folder, a local stand-in for Civitai.
input_paths:
  models:
    path: models
store:
  directory: state
api:
  base_url: {api_url}
"""


def start_daemon(api_url: str) -> subprocess.Popen[bytes]:
    """Start `modelshelf run` on the demo's configuration file, as a person would."""
    (ROOT / "modelshelf.yaml").write_text(CONFIGURATION.format(api_url=api_url))
    return subprocess.Popen([sys.executable, "-m", "modelshelf", "--config", "modelshelf.yaml", "run"], cwd=ROOT)


def wait_for(path: Path, daemon: subprocess.Popen[bytes]) -> bool:
    """Wait until `path` is there; False if the daemon ended or patience did."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        if daemon.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def show_a_drop(exhibit: Exhibit, models: Path, daemon: subprocess.Popen[bytes]) -> None:
    """Drop one more file into a brand-new directory and time how long its page takes."""
    target = models / exhibit.path
    say(f"dropping {exhibit.path} into a brand-new directory; watch it go by ...")
    target.parent.mkdir(parents=True)
    target.write_bytes(exhibit.content)
    started = time.monotonic()
    preview = target.with_name(target.stem + ".preview.png")
    if wait_for(preview, daemon) and wait_for(target.with_suffix(".html"), daemon):
        say(f"identified, pictured and paged after {time.monotonic() - started:.1f} s: {target.with_suffix('.html')}")


def main() -> int:
    """Run the demo until Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    models = ROOT / "models"
    shutil.rmtree(ROOT, ignore_errors=True)
    models.mkdir(parents=True)
    exhibits = fill(models)
    with CivitaiStandIn() as civitai:
        introduce(civitai, [*exhibits, DROPPED])
        say(f"{len(exhibits)} small model files, some of them broken, lie in {models}")
        say(f"a stand-in for Civitai answers at {civitai.base_url}; nothing leaves this machine")
        daemon = start_daemon(civitai.base_url)
        try:
            if wait_for(models / "gallery.html", daemon):
                show_a_drop(DROPPED, models, daemon)
            if daemon.poll() is not None:
                say("the daemon ended; its last lines above say why")
                return 1
            say(f"open the gallery in a browser: {models / 'gallery.html'}")
            say(f"drop files into {models} yourself, or ask in another terminal (Ctrl-C here ends it):")
            print(
                f"    {Path(sys.executable).parent}/modelshelf --config {ROOT / 'modelshelf.yaml'} status", flush=True
            )
            return daemon.wait()
        except KeyboardInterrupt:
            say("stopping")
            daemon.send_signal(signal.SIGTERM)
            return daemon.wait()


if __name__ == "__main__":
    sys.exit(main())
