"""What the environment adds: variables in values, the ones that win over keys, and a configuration without any file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelshelf.config import load_config

if TYPE_CHECKING:
    from tests.unit.config.conftest import Load, Refuse

FOLDER = "input_paths: {lora: {path: lora, type: LORA}}\n"


def test_model_path_alone_is_enough(tmp_path: Path) -> None:
    config = load_config(None, {"MODEL_PATH": str(tmp_path), "CONFIG_DATA_PATH": "/data"})
    (folder,) = config.folders()
    assert (folder.id, folder.path, folder.model_type) == (tmp_path.name, tmp_path, None)
    assert config.state_directory == Path("/data")
    assert config.path is None
    assert config.warnings == ()


def test_several_model_paths_have_ids_of_their_own() -> None:
    config = load_config(None, {"MODEL_PATH": "/a/lora:/c/vae/:/d/my models!::/e/..x"})
    assert [folder.id for folder in config.folders()] == ["lora", "vae", "my-models", "x"]
    assert config.folders()[1].path == Path("/c/vae")


def test_ids_of_equal_names_do_not_depend_on_the_order() -> None:
    one = load_config(None, {"MODEL_PATH": "/a/lora:/b/lora"}).folders()
    other = load_config(None, {"MODEL_PATH": "/b/lora:/a/lora"}).folders()
    assert {(each.id, each.path) for each in one} == {(each.id, each.path) for each in other}
    assert len({each.id for each in one}) == 2


def test_a_model_path_without_a_name_gets_one() -> None:
    (folder,) = load_config(None, {"MODEL_PATH": "/srv/___/!!"}).folders()
    assert folder.id == "models"


def test_a_model_path_that_is_not_utf8_is_kept_byte_for_byte() -> None:
    directory = os.fsdecode(b"/srv/caf\xe9")
    config = load_config(None, {"MODEL_PATH": directory})
    (folder,) = config.folders()
    assert os.fsencode(folder.path) == b"/srv/caf\xe9"
    assert folder.id.isprintable()
    assert "caf" in config.show()
    assert config.warnings[0].isprintable()


def test_a_model_path_counts_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = load_config(None, {"MODEL_PATH": "models:~/more", "HOME": "/home/someone"})
    assert [folder.path for folder in config.folders()] == [tmp_path / "models", Path("/home/someone/more")]


def test_model_path_fills_a_file_without_folders(load: Load) -> None:
    (folder,) = load("offline: true", MODEL_PATH="/srv/models").folders()
    assert folder.id == "models"


def test_model_path_is_not_used_beside_folders_of_the_file(load: Load) -> None:
    config = load(FOLDER, MODEL_PATH="/srv/models")
    assert [folder.id for folder in config.folders()] == ["lora"]
    assert "$MODEL_PATH is not used: the configuration has input_paths of its own" in config.warnings


def test_a_mistake_in_a_variable_names_the_variable(refuse: Refuse) -> None:
    assert refuse(FOLDER, CIVITAI_API_URL="ftp://x") == [
        "$CIVITAI_API_URL: api.base_url: must be an address such as https://civitai.com/api/v1"
    ]
    assert refuse("offline: true", MODEL_PATH="/") == [
        "$MODEL_PATH: input_paths.models.path: must not be the whole file system; name the folder of models"
    ]


def test_the_keys_variable_wins_over_the_file(load: Load) -> None:
    config = load(FOLDER + "api: {key: from-the-file}", CIVITAI_API_KEY=" from-outside\n")
    assert config.api_key == "from-outside"
    assert load(FOLDER + "api: {key: from-the-file}", CIVITAI_API_KEY=" ").api_key == "from-the-file"
    assert load(FOLDER).api_key is None


def test_variables_win_over_an_empty_section(load: Load) -> None:
    config = load(FOLDER + "api:\n", CIVITAI_API_KEY="from-outside", CIVITAI_API_URL="http://127.0.0.1:8080/api/v1/")
    assert config.api_key == "from-outside"
    assert config.file.api.base_url == "http://127.0.0.1:8080/api/v1"


@pytest.mark.parametrize("key", ["YOUR_API_KEY_HERE", "YOUR_API_KEY", "your-api-key", ""])
def test_an_example_files_placeholder_is_no_key(load: Load, key: str) -> None:
    assert load(FOLDER + f"api: {{key: '{key}'}}").api_key is None


def test_variables_in_values_are_expanded(load: Load) -> None:
    config = load(
        "input_paths: {lora: {path: '$ROOT/${SUB}', patterns: ['*.$EXT']}}\napi: {max_retries: $TRIES}",
        ROOT="/srv", SUB="loras", EXT="gguf", TRIES="7",
    )  # fmt: skip
    (folder,) = config.folders()
    assert (folder.path, folder.patterns) == (Path("/srv/loras"), ("*.gguf",))
    assert config.file.api.max_retries == 7


def test_an_unknown_variable_stays_as_written_with_a_warning(load: Load) -> None:
    config = load("input_paths: {lora: {path: '/srv/${NOWHERE}'}}")
    assert config.folders()[0].path == Path("/srv/${NOWHERE}")
    assert config.warnings[0] == "input_paths.lora.path: $NOWHERE is not set; it stays as it is written"


def test_a_variable_in_a_secret_is_not_named(load: Load) -> None:
    config = load(FOLDER + "api: {key: 'pa$sword'}")
    assert config.api_key == "pa$sword"
    assert config.warnings[0] == "api.key: a variable in it is not set; it stays as it is written"


def test_secrets_never_stand_in_a_warning(load: Load) -> None:
    config = load("input_paths: {lora: {path: '/srv/$CIVITAI_API_KEY'}}", CIVITAI_API_KEY="abcdef0123456789")
    assert "is not there" in config.warnings[0]
    assert "abcdef" not in "".join(config.warnings)


def test_systemds_state_directory_goes_before_the_containers(load: Load) -> None:
    both = {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "CONFIG_DATA_PATH": "/data"}
    assert load(FOLDER, **both).state_directory == Path("/var/lib/a")
    assert load(FOLDER, CONFIG_DATA_PATH="/data").state_directory == Path("/data")


def test_the_files_state_directory_goes_before_all(load: Load, tmp_path: Path) -> None:
    config = load(FOLDER + "store: {directory: state}", STATE_DIRECTORY="/var/lib/a")
    assert config.state_directory == tmp_path / "state"


def test_root_keeps_its_state_where_systems_keep_it(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load(FOLDER).state_directory == Path("/var/lib/modelshelf")


def test_a_person_keeps_state_at_home(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/home/someone/.local/state")
    assert load(FOLDER).state_directory == Path("/home/someone/.local/state/modelshelf")


def test_a_state_directory_inside_a_folder_is_a_warning(load: Load, tmp_path: Path) -> None:
    for directory in ("lora", "lora/state"):
        config = load(FOLDER + f"store: {{directory: {directory}}}")
        assert any(f"the state directory {tmp_path}/{directory} lies inside" in each for each in config.warnings)
