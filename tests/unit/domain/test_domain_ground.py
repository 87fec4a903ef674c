"""What a folder stands on."""

from __future__ import annotations

import pytest

from modelshelf.domain.ground import Ground


def test_a_ground_is_the_same_after_it_was_written_down() -> None:
    ground = Ground(2**64 - 1, 65024, 2**63)
    assert Ground.from_text(ground.text) == ground


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Ground(7, 1, 2), Ground(7, 9, 2), True),
        (Ground(7, 1, 2), Ground(8, 1, 2), False),
        (Ground(0, 1, 2), Ground(0, 1, 3), True),
        (Ground(0, 1, 2), Ground(0, 9, 2), False),
        (Ground(0, 1, 2), Ground(7, 9, 2), False),
    ],
)
def test_a_file_system_is_known_by_its_own_id_or_else_by_its_device(
    one: Ground, other: Ground, *, expected: bool
) -> None:
    assert one.is_same_file_system(other) is expected
    assert other.is_same_file_system(one) is expected
