"""How hard the machine has it: whether programs wait for disks, what it is powered by, how hot its processor is.

All of it is told by the kernel out of its memory: no disk is asked, so none is woken. drivetemp, which asks the disk and may
keep it from sleeping, is passed over with every other sensor that is not the processor's
(https://docs.kernel.org/hwmon/drivetemp.html).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHARE = re.compile(r"^some avg10=([0-9.]+)", re.MULTILINE)
_PROCESSOR = re.compile(r"cpu|pkg|soc|coretemp|k10temp|k8temp|zenpower|acpitz", re.IGNORECASE)
"""How the sensors of processors are called, by drivers of hwmon and as types of thermal zones."""

_POWER_FROM_OUTSIDE = {"Mains", "USB", "Wireless"}
_POWER_STORED = {"Battery", "UPS"}


@dataclass(frozen=True, slots=True)
class Gauges:
    """Where the kernel tells it; what it does not tell on this machine is None, and nothing stands against going on."""

    pressure: Path = Path("/proc/pressure/io")
    power: Path = Path("/sys/class/power_supply")
    zones: Path = Path("/sys/class/thermal")
    sensors: Path = Path("/sys/class/hwmon")

    def io_share(self) -> float | None:
        """Give in how many percent of the last ten seconds some program waited for a disk (Documentation/accounting/psi)."""
        match = _SHARE.search(_text(self.pressure) or "")
        return _number(match[1]) if match else None

    def is_on_battery(self) -> bool | None:
        """Tell whether the machine runs down a battery of its own; those of mice and headsets are not looked at."""
        kinds = {supply: _text(supply / "type") for supply in _entries(self.power, "*")}
        own = [each for each, kind in kinds.items() if kind in _POWER_STORED and _text(each / "scope") != "Device"]
        if not own:
            return None
        if any(_text(each / "online") == "1" for each, kind in kinds.items() if kind in _POWER_FROM_OUTSIDE):
            return False
        return any(_text(each / "status") == "Discharging" for each in own)

    def celsius(self) -> float | None:
        """Give how hot the hottest part of the processor is."""
        zones = [each / "temp" for each in _entries(self.zones, "thermal_zone*") if _is_processor(each / "type")]
        for monitor in _entries(self.sensors, "hwmon*"):
            if _is_processor(monitor / "name"):
                zones += _entries(monitor, "temp*_input")
        degrees = [number / 1000 for each in zones if (number := _number(_text(each))) is not None]
        return max(degrees, default=None)


def _is_processor(name: Path) -> bool:
    return _PROCESSOR.search(_text(name) or "") is not None


def _entries(directory: Path, pattern: str) -> Iterator[Path]:
    try:
        yield from sorted(directory.glob(pattern))
    except OSError:
        return  # such as a container shows: there is nothing to be seen


def _text(path: Path) -> str | None:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return None  # a sensor that is asleep or broken, or a kernel without it


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
