"""A Ground: what a folder stands on, so that another file system in its place is not taken for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ground:
    """What stat(2) and statvfs(2) say of a folder's root: the file system's own id, its device number, the root's inode.

    A bare mount point differs in all three from what was mounted there. The device number may change with every boot, and
    network file systems and FUSE have no id (0) and make the inode up: another Ground proves nothing, only the same one does.
    """

    file_system_id: int
    device: int
    inode: int

    @classmethod
    def from_text(cls, text: str) -> Ground:
        """Read what `text` gave."""
        file_system_id, device, inode = (int(number) for number in text.split())
        return cls(file_system_id, device, inode)

    @property
    def text(self) -> str:
        """The three numbers, for a column."""
        return f"{self.file_system_id} {self.device} {self.inode}"

    def is_same_file_system(self, other: Ground) -> bool:
        """Tell whether inode numbers and ctimes of the one mean something on the other."""
        if self.file_system_id and other.file_system_id:
            return self.file_system_id == other.file_system_id
        return self.device == other.device
