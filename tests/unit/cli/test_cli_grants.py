"""Which directories a service is let into, and how systemd is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelshelf.cli.grants import directories_written, quoted, settings
from modelshelf.config import load_config
from modelshelf.errors import UsageError

FOLDERS = "input_paths: {loras: {path: /srv/loras, type: LORA}, vaes: {path: /srv/vaes}}\n"


def written(directory: Path, text: str) -> list[str]:
    """Give what is written to with this configuration, which stands in `directory`."""
    path = directory / "modelshelf.yaml"
    path.write_text(f"{text}\nstore: {{directory: /var/lib/modelshelf}}\n")
    return [str(each) for each in directories_written(load_config(path, {}))]


@pytest.mark.parametrize(
    ("output", "places"),
    [
        ("", []),
        ("output: {base_dir: /srv/pages}", ["/srv/pages"]),
        ('output: {metadata: {path: "{model_dir}/meta"}}', []),
        ('output: {metadata: {path: "{model_dir}/../{model_type}"}}', ["/srv"]),
        ('output: {metadata: {path: "/srv/json-{model_type}/a"}}', ["/srv"]),
        ("output: {metadata: {path: /srv/json}}", ["/srv/json"]),
        ("output: {metadata: {html: {path: /srv/html}}}", ["/srv/html"]),
        ("output: {metadata: {html: {path: /srv/html, enabled: false}}}", []),
        ("output: {metadata: {html: {gallery_path: /srv/web/all.html}}}", ["/srv/web"]),
        ("output: {metadata: {html: {gallery_path: ../all.html}}}", ["/srv"]),
        ("output: {metadata: {html: {gallery_path: ../all.html, generate_gallery: false}}}", []),
        ("output: {images: {path: /srv/pictures}}", ["/srv/pictures"]),
        ("output: {images: {path: /srv/pictures, save: false}}", []),
        ('output: {base_dir: /srv/pages, metadata: {path: "{model_dir}/../json"}}', ["/srv/pages"]),
        ("logging: {file: {directory: /var/log/modelshelf}}", ["/var/log/modelshelf"]),
        ("logging: {file: {directory: /var/lib/modelshelf/logs}}", []),
        ("scanner: {cache_dir: /var/cache/modelshelf}", ["/var/cache/modelshelf"]),
        ("output: {base_dir: /srv/loras/pages}", []),
    ],
)
def test_every_place_that_is_written_to_is_named_and_none_inside_another(
    tmp_path: Path, output: str, places: list[str]
) -> None:
    expected = {"/srv/loras", "/srv/vaes", *places}
    outermost = sorted(each for each in expected if not {str(top) for top in Path(each).parents} & expected)
    assert written(tmp_path, FOLDERS + output) == outermost


def test_a_folder_with_braces_in_its_name_is_no_template(tmp_path: Path) -> None:
    braces = 'input_paths: {a: {path: "/srv/{model_name}/b"}}\noutput: {metadata: {path: "{model_dir}/m"}}\n'
    assert written(tmp_path, braces) == ["/srv/{model_name}/b"]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/srv/my models", 'ReadWritePaths="-/srv/my models"'),
        ("/srv/100%h", 'ReadWritePaths="-/srv/100%%h"'),
        ('/srv/quo"te', 'ReadWritePaths="-/srv/quo\\"te"'),
        ("/srv/back\\slash", 'ReadWritePaths="-/srv/back\\\\slash"'),
        ("/srv/\xfc \u3000\t", 'ReadWritePaths="-/srv/\xfc \u3000\t"'),
    ],
)
def test_a_path_is_written_as_systemd_reads_it(path: str, line: str) -> None:
    assert settings([Path(path)], []) == [line]


@pytest.mark.parametrize("name", ["two\nlines", "bell\x07", "caf\udce9", "\x7f"])
def test_what_no_unit_file_can_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="rename it"):
        quoted(name, Path(name))


@pytest.mark.parametrize(
    ("granted", "read", "lines"),
    [
        ("/home/alice/models", "/opt", ["ProtectHome=read-only"]),
        ("/home", "/opt", ["ProtectHome=read-only"]),
        ("/srv", "/root/modelshelf.yaml", ["ProtectHome=read-only"]),
        ("/homes/alice", "/opt", []),
        ("/var/tmp/models", "/opt", ["PrivateTmp=no"]),
        ("/tmp/models", "/run/user/1/x", ["ProtectHome=read-only", "PrivateTmp=no"]),
    ],
)
def test_homes_and_temporary_directories_are_opened_where_they_are_needed(
    granted: str, read: str, lines: list[str]
) -> None:
    assert settings([Path(granted)], [Path(read)])[1:] == lines
