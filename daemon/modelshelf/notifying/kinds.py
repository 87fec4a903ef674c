"""Which events are told, in which words, and which of them cannot wait."""

from __future__ import annotations

from dataclasses import dataclass

from modelshelf.domain.notice import Notice


@dataclass(frozen=True, slots=True)
class Kind:
    """How events of one name are told: as `one` or `many` of them."""

    event: str
    notice: Notice
    one: str
    many: str
    is_urgent: bool = False


BEGUN_ANEW = "store_begun_anew"
"""The loss of everything that was known, who had been told what included."""

KINDS = {
    kind.event: kind
    for kind in (
        Kind("folder_went_offline", Notice.OFFLINE, "folder offline", "folders offline", is_urgent=True),
        Kind(
            "files_held_back",
            Notice.OFFLINE,
            "folder whose files vanished",
            "folders whose files vanished",
            is_urgent=True,
        ),
        Kind(
            "mount_point_lost", Notice.OFFLINE, "mount gone from a folder", "mounts gone from folders", is_urgent=True
        ),
        Kind(BEGUN_ANEW, Notice.CORRUPT, "catalog lost and begun anew", "catalogs lost and begun anew", is_urgent=True),
        Kind("store_restored", Notice.CORRUPT, "damaged catalog restored", "damaged catalogs restored", is_urgent=True),
        Kind("disk_filled_up", Notice.DISK_FULL, "disk nearly full", "disks nearly full", is_urgent=True),
        Kind("file_found_rotten", Notice.CORRUPT, "damaged file", "damaged files", is_urgent=True),
        Kind("file_found_broken", Notice.CORRUPT, "broken file", "broken files", is_urgent=True),
        Kind("pickle_found_dangerous", Notice.CORRUPT, "dangerous file", "dangerous files", is_urgent=True),
        Kind("file_found_incomplete", Notice.CORRUPT, "incomplete file", "incomplete files"),
        Kind("file_found_restored", Notice.CORRUPT, "file no longer damaged", "files no longer damaged"),
        Kind("folder_came_back", Notice.OFFLINE, "folder back", "folders back"),
        Kind("mount_point_came_back", Notice.OFFLINE, "mount back", "mounts back"),
        Kind("disk_relieved", Notice.DISK_FULL, "disk with room again", "disks with room again"),
        Kind("job_ended", Notice.REPORT, "job done", "jobs done"),
        Kind("content_gone", Notice.GONE, "file gone upstream", "files gone upstream"),
        Kind("content_came_back", Notice.GONE, "file back upstream", "files back upstream"),
        Kind("update_available", Notice.UPDATES, "file with a newer version", "files with newer versions"),
        Kind("content_identified", Notice.IDENTIFIED, "file identified", "files identified"),
        Kind(
            "content_matched_by_weights", Notice.IDENTIFIED, "file known by its weights", "files known by their weights"
        ),
        Kind(
            "match_questioned", Notice.IDENTIFIED, "file that is not what it seems", "files that are not what they seem"
        ),
    )
}
"""In the order in which one message tells them."""
