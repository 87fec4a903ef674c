"""A Containerfile carried out without an engine: its steps, one by one, by chroot in a copy-on-write view of this machine.

It knows what our Containerfile says and no more. The base image is the machine's own root.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BASE_PYTHON = "/usr/bin/python3"
_PLACE = "/mnt"
"""Where the view is built: a directory that every Debian has, in a mount namespace of its own."""


@dataclass
class Image:
    """What one stage came to: a root, and how its program is to be run."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": _PATH, "LC_ALL": "C.UTF-8"})
    directory: str = "/"
    user: str = "0:0"
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    health_check: Sequence[str] = ()
    volumes: Sequence[str] = ()


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Give each instruction with what follows it: comments gone, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name.upper(), rest.strip()


def lack_of_engine() -> str:
    """Tell why no Containerfile can be carried out here; empty where it can."""
    if os.geteuid() != 0:
        return "the Containerfile is carried out by chroot, which needs root"
    if "overlay" not in Path("/proc/filesystems").read_text().split():
        return "no overlayfs in this kernel"
    trial = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
    if not Path(BASE_PYTHON).exists() or subprocess.run([BASE_PYTHON, "-c", trial], check=False).returncode:
        return f"no {BASE_PYTHON} that is 3.11 with venv: apt-get install python3-venv"
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        return "no mount namespace can be made here"
    return ""


class Engine:
    """Builds and runs in a mount namespace that goes away with it."""

    def __init__(self, context: Path) -> None:
        """`context` is the folder from which COPY copies."""
        self._context = context
        self._images: dict[str, Image] = {}
        self._namespace = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo there; exec sleep infinity"],
            stdout=subprocess.PIPE,
        )
        assert self._namespace.stdout is not None
        self._namespace.stdout.readline()
        self._do("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", _PLACE)

    def __enter__(self) -> Self:
        """Nothing more is to be done."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let the namespace go, and all mounts with it."""
        self._namespace.kill()
        self._namespace.communicate()

    def _do(self, *words: str | Path) -> None:
        subprocess.run([*self._inside(), *words], check=True)

    def _inside(self) -> list[str]:
        return ["nsenter", "--target", str(self._namespace.pid), "--mount", "--"]

    def seen(self, image: Image, path: str) -> Path:
        """Give a path of an image as it is reached from outside."""
        return Path(f"/proc/{self._namespace.pid}/root{image.root}{path}")

    def words(self, image: Image, words: Iterable[str], given: Mapping[str, str] | None = None) -> list[str]:
        """Give the command line that runs `words` in an image, as its user, with more variables if `given`."""
        variables = [f"{name}={value}" for name, value in (image.environment | dict(given or {})).items()]
        enter = f'cd {shlex.quote(image.directory)} && exec "$@"'
        chroot = ["chroot", f"--userspec={image.user}", "--groups=", str(image.root)]
        return [*self._inside(), *chroot, "env", "-i", *variables, "sh", "-c", enter, "sh", *words]

    def build(self, text: str) -> Image:
        """Carry out every step; gives the last stage."""
        image: Image | None = None
        for name, rest in instructions(text):
            if name == "FROM":
                image = self._begin_stage(rest)
            elif name != "ARG":
                assert image is not None
                getattr(self, f"_{name.lower()}")(image, rest)
        assert image is not None
        return image

    def _begin_stage(self, rest: str) -> Image:
        place = Path(_PLACE) / f"stage{len(self._images)}"
        image = Image(place / "root")
        self._images[rest.rpartition(" AS ")[2]] = image
        self._do("mkdir", "-p", place / "upper", place / "work", image.root)
        layers = f"redirect_dir=on,lowerdir=/,upperdir={place}/upper,workdir={place}/work"
        self._do("mount", "-t", "overlay", "-o", layers, "overlay", image.root)
        for each in ("proc", "dev", "sys"):
            self._do("mount", "--rbind", f"/{each}", image.root / each)
        for each in ("resolv.conf", "hosts"):  # what container engines mount, a view of the disk alone does not show
            self._do("cp", "--remove-destination", "-L", f"/etc/{each}", image.root / "etc" / each)
        return image

    def _workdir(self, image: Image, rest: str) -> None:
        image.directory = rest
        self._do("mkdir", "-p", f"{image.root}{rest}")

    def _copy(self, image: Image, rest: str) -> None:
        *sources, target = rest.split()
        origin = self._context
        if sources[0].startswith("--from="):
            origin = self._images[sources.pop(0).removeprefix("--from=")].root
        target = os.path.join(image.directory, target)
        is_directory = target.endswith("/")
        self._do("mkdir", "-p", f"{image.root}{target if is_directory else os.path.dirname(target)}")
        for source in sources:
            whole = () if is_directory else ("-T",)
            self._do("cp", "-dR", "--preserve=mode", *whole, f"{origin}/{source}", f"{image.root}{target}")

    def _run(self, image: Image, rest: str) -> None:
        registry = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        subprocess.run(self.words(image, ["sh", "-c", rest], registry), check=True)

    def _env(self, image: Image, rest: str) -> None:
        image.environment |= dict(each.split("=", 1) for each in shlex.split(rest))

    def _volume(self, image: Image, rest: str) -> None:
        image.volumes = json.loads(rest)

    def _user(self, image: Image, rest: str) -> None:
        image.user = rest

    def _healthcheck(self, image: Image, rest: str) -> None:
        image.health_check = json.loads(rest.partition(" CMD ")[2])

    def _entrypoint(self, image: Image, rest: str) -> None:
        image.entrypoint = json.loads(rest)

    def _cmd(self, image: Image, rest: str) -> None:
        image.command = json.loads(rest)
