"""What is written for a dropped file, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from modelshelf.domain.output import HtmlOutput, ImagesOutput, MetadataOutput, Output, SidecarKind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.config.conftest import Load

FOLDERS = "input_paths: {lora: {path: lora, type: LORA}, ck: {path: ck}}\n"


def test_without_output_modelshelf_writes_its_own(load: Load) -> None:
    assert load(FOLDERS).output_for("lora") == Output()


def test_metadata_written_out_gives_civitscrapers_json(load: Load) -> None:
    output = load(FOLDERS + "output: {metadata: {format: json}}").output_for("lora")
    assert output.metadata == MetadataOutput("{model_dir}", "{model_name}.json")
    assert output.html == HtmlOutput()
    assert output.images == ImagesOutput()


def test_images_written_out_give_civitscrapers_numbered_pictures(load: Load) -> None:
    output = load(FOLDERS + "output: {images: {}}").output_for("lora")
    assert output.metadata is None
    assert output.images == ImagesOutput(max_count=None, is_numbered=True)


def test_every_key_has_its_place(load: Load, tmp_path: Path) -> None:
    output = load(
        FOLDERS
        + """\
output:
  base_dir: out
  metadata:
    path: "{model_dir}/meta"
    filename: "{model_name}.civit.json"
    html:
      enabled: false
      filename: "{model_type}/{model_name}.htm"
      skip_existing_html: true
      generate_gallery: false
      gallery_path: index.html
      gallery_title: Mine
  images:
    save: true
    path: "{model_dir}/pictures"
    max_count: 4
    filenames: {preview: "{model_name}.picture{ext}"}
"""
    ).output_for("lora")
    assert output == Output(
        metadata=MetadataOutput("{model_dir}/meta", "{model_name}.civit.json"),
        html=HtmlOutput(
            is_enabled=False,
            path="{model_dir}/meta",
            filename="{model_type}/{model_name}.htm",
            is_existing_skipped=True,
            is_gallery_generated=False,
            gallery_path="index.html",
            gallery_title="Mine",
        ),
        images=ImagesOutput(
            path="{model_dir}/pictures", max_count=4, filename="{model_name}.picture{ext}", is_numbered=True
        ),
        base_directory=tmp_path / "out",
    )


def test_pages_may_stand_apart_from_the_json(load: Load) -> None:
    output = load(FOLDERS + "output: {metadata: {path: /json, html: {path: /pages}}}").output_for("lora")
    assert output.metadata is not None
    assert (output.metadata.path, output.html.path) == ("/json", "/pages")


@pytest.mark.parametrize("images", ["{save: false}", "{enabled: false}", "{save: true, enabled: false}"])
def test_either_word_switches_pictures_off(load: Load, images: str) -> None:
    assert not load(FOLDERS + f"output: {{images: {images}}}").output_for("lora").images.is_saved


def count(load: Load, text: str, folder_id: str = "lora") -> int | None:
    return load(FOLDERS + text).output_for(folder_id).images.max_count


def test_the_default_job_speaks_first(load: Load) -> None:
    jobs = "jobs: {a: {paths: [all], output: {images: {max_count: 2}}}, b: {paths: [lora], output: {images: {max_count: 3}}}}\n"
    assert count(load, jobs) == 2
    assert count(load, jobs + "default_job: b") == 3
    assert count(load, jobs + "default_job: b", "ck") == 2


def test_the_top_speaks_for_folders_without_a_job(load: Load) -> None:
    text = "output: {images: {max_count: 9}}\njobs: {a: {paths: [lora], output: {images: {max_count: 2}}}}"
    assert count(load, text, "ck") == 9
    assert count(load, text, "lora") == 2


def test_a_trigger_sync_speaks_for_nobody(load: Load) -> None:
    text = "jobs: {a: {type: sync-lora-triggers, paths: [lora], output: {images: {max_count: 2}}}}"
    assert count(load, text) == 1


def test_a_job_says_only_what_differs_from_the_top(load: Load) -> None:
    text = (
        "output: {metadata: {filename: '{model_name}.top.json', html: {enabled: false}}, images: {max_count: 9, save: false}}\n"
        "jobs: {a: {paths: [lora], output: {metadata: {html: {gallery_title: Mine}}, images: {max_count: 2}}}}"
    )
    output = load(FOLDERS + text).output_for("lora")
    assert output.metadata == MetadataOutput(filename="{model_name}.top.json")
    assert (output.html.is_enabled, output.html.gallery_title) == (False, "Mine")
    assert (output.images.max_count, output.images.is_saved) == (2, False)


def test_gallery_keys_may_stand_in_the_job_itself(load: Load) -> None:
    short = "generate_gallery: false, gallery_path: a.html, gallery_title: A"
    html = load(FOLDERS + f"jobs: {{a: {{paths: [lora], {short}}}}}").output_for("lora").html
    assert (html.is_gallery_generated, html.gallery_path, html.gallery_title) == (False, "a.html", "A")


def test_gallery_keys_in_the_output_win(load: Load) -> None:
    short = "generate_gallery: false, gallery_path: a.html, gallery_title: A"
    long = "output: {metadata: {html: {generate_gallery: true, gallery_path: b.html, gallery_title: B}}}"
    html = load(FOLDERS + f"jobs: {{a: {{paths: [lora], {short}, {long}}}}}").output_for("lora").html
    assert (html.is_gallery_generated, html.gallery_path, html.gallery_title) == (True, "b.html", "B")


@pytest.mark.parametrize(
    ("path", "expected"), [("/srv/all.html", "/srv/all-ck.html"), ("../all.html", "../all-ck.html")]
)
def test_folders_never_share_a_gallery(load: Load, path: str, expected: str) -> None:
    config = load(FOLDERS + f"output: {{metadata: {{html: {{gallery_path: {path}}}}}}}")
    assert config.output_for("ck").html.gallery_path == expected
    assert f"gallery_path: other folders have it too; the gallery of ck is {expected}" in config.warnings


def test_galleries_that_are_not_written_are_not_in_the_way(load: Load) -> None:
    config = load(FOLDERS + "output: {metadata: {html: {gallery_path: /srv/all.html, generate_gallery: false}}}")
    assert config.output_for("ck").html.gallery_path == "/srv/all.html"


def test_every_dialect_has_a_switch(load: Load) -> None:
    output = load(FOLDERS + "output: {sidecars: {lora_manager: true, stability_matrix: true, swarm: true}}")
    assert output.output_for("lora").kinds == frozenset(SidecarKind)
    assert load(FOLDERS + "output: {sidecars: {}}").output_for("lora").kinds == Output().kinds
    only = load(FOLDERS + "output: {sidecars: {forge: false}}").output_for("lora")
    assert only.kinds == {SidecarKind.CIVITAI_INFO}


def test_civitscrapers_json_takes_the_place_of_ours_unless_somebody_says_otherwise(load: Load) -> None:
    scraper = load(FOLDERS + "output: {sidecars: {civitscraper: true}}").output_for("lora")
    assert (scraper.metadata, scraper.kinds) == (MetadataOutput(), frozenset())
    both = load(FOLDERS + "output: {metadata: {}, sidecars: {civitai_info: true}}").output_for("lora")
    assert both.metadata == MetadataOutput()
    assert both.kinds == {SidecarKind.CIVITAI_INFO}
    neither = load(FOLDERS + "output: {metadata: {html: {enabled: false}}, sidecars: {civitscraper: false}}")
    assert neither.output_for("lora").metadata is None
    assert neither.output_for("lora").kinds == Output().kinds
    assert not neither.output_for("lora").html.is_enabled


def test_a_job_switches_only_what_it_names(load: Load) -> None:
    text = (
        "output: {sidecars: {swarm: true, forge: false}}\n"
        "jobs: {a: {paths: [lora], output: {sidecars: {lora_manager: true}}}}"
    )
    kinds = load(FOLDERS + text).output_for("lora").kinds
    assert kinds == {SidecarKind.SWARM, SidecarKind.LORA_MANAGER, SidecarKind.CIVITAI_INFO}


@pytest.mark.parametrize(
    ("output", "is_told"),
    [
        ("{metadata: {}, sidecars: {forge: true}}", True),
        ("{metadata: {filename: '{model_name}.swarm.json'}, sidecars: {swarm: true}}", True),
        ("{metadata: {filename: '{model_name}.civitai.json'}, sidecars: {forge: true, swarm: true}}", False),
        ("{metadata: {path: '{model_dir}/meta'}, sidecars: {forge: true}}", False),
        ("{base_dir: elsewhere, metadata: {}, sidecars: {forge: true}}", False),
        ("{metadata: {}}", False),
        ("{sidecars: {forge: true}}", False),
    ],
)
def test_two_tools_files_of_one_name_are_told_of(load: Load, output: str, *, is_told: bool) -> None:
    warnings = [each for each in load(FOLDERS + f"output: {output}").warnings if "the same name" in each]
    assert bool(warnings) is is_told
