"""The stand-in keeps the rules of the real server."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from PIL import Image

from modelshelf.domain.hashes import Hashes

if TYPE_CHECKING:
    from tests.fakes.civitai_server import CivitaiStandIn

A, B = "A" * 64, "B" * 64
ROOT = Path(__file__).resolve().parents[3]


def get(stand_in: CivitaiStandIn, path: str, **headers: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{stand_in.base_url}/{path}", headers=headers, timeout=5)


def post(stand_in: CivitaiStandIn, path: str, body: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(f"{stand_in.base_url}/{path}", json=body, timeout=5)


def test_any_hash_of_any_case_finds_the_version(stand_in: CivitaiStandIn) -> None:
    hashes = Hashes(A, B, "11111111", A[:10], "ABCDEF123456", "0D4A1185")
    version_id = stand_in.add_file(hashes, 2048, file_name="fish.safetensors")
    for digits in (A, A.lower(), B, "11111111", A[:10], "abcdef123456", "0d4a1185"):
        body = get(stand_in, f"model-versions/by-hash/{digits}").json()
        assert body["id"] == version_id
        assert body["files"][0]["sizeKB"] == 2
    assert get(stand_in, f"model-versions/by-hash/{'C' * 64}").json() == {"error": "Model not found"}


def test_by_hash_is_cached_for_an_hour_even_when_it_misses(stand_in: CivitaiStandIn) -> None:
    answer = get(stand_in, f"model-versions/by-hash/{A}")
    assert answer.status_code == 404
    assert answer.headers["Cache-Control"] == "public, s-maxage=3600, stale-while-revalidate=1800"


def test_a_batch_has_a_null_broken_addresses_and_an_element_per_file(stand_in: CivitaiStandIn) -> None:
    version_id = stand_in.add_file({"sha256": A, "autov1": None}, 1024)
    stand_in.add_file(B, 1024, version_id=version_id)
    elements = post(stand_in, "model-versions/by-hash", [A.lower(), B, "C" * 64]).json()
    assert [each and each["id"] for each in elements] == [None, version_id, version_id]
    assert elements[1]["downloadUrl"] == f"https://undefined/api/download/models/{version_id}"
    assert [each["primary"] for each in elements[1]["files"]] == [True, False]
    ids = post(stand_in, "model-versions/by-hash/ids", [A]).json()
    assert ids == [{"modelVersionId": version_id, "modelId": elements[1]["modelId"], "hash": A}]
    assert post(stand_in, "model-versions/by-hash", []).json() == []


@pytest.mark.parametrize("body", [[A, "short"], {"hashes": [A]}, [None], [A] * 101])
def test_one_malformed_hash_spoils_the_batch(stand_in: CivitaiStandIn, body: Any) -> None:
    answer = post(stand_in, "model-versions/by-hash", body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Request must include an array of SHA256 Hashes.")


def test_ids_take_ten_thousand_hashes_but_no_megabyte(stand_in: CivitaiStandIn) -> None:
    assert post(stand_in, "model-versions/by-hash/ids", [A] * 10_000).json() == []
    assert post(stand_in, "model-versions/by-hash/ids", [A] * 10_001).status_code == 400
    assert post(stand_in, "model-versions/by-hash/ids", [A] * 20_000).status_code == 413


def test_what_is_not_published_is_not_found(stand_in: CivitaiStandIn) -> None:
    stand_in.add_file(A, 1024, status="Draft", model_id=5)
    assert get(stand_in, f"model-versions/by-hash/{A}").status_code == 404
    assert get(stand_in, "models/5").status_code == 404


def test_only_models_leave_empty_keys_out(stand_in: CivitaiStandIn) -> None:
    version_id = stand_in.add_file(A, 1024, model_id=5, trained_words=[], version_description=None, creator=None)
    model = get(stand_in, "models/5").json()
    assert "creator" not in model
    assert model["allowCommercialUse"] == "{Image,RentCivit}"
    (version,) = model["modelVersions"]
    assert not {"trainedWords", "description", "modelId", "air", "model"} & version.keys()
    assert "meta" not in version["images"][0]
    alone = get(stand_in, f"model-versions/{version_id}").json()
    assert (alone["trainedWords"], alone["description"], alone["modelId"]) == ([], None, 5)
    assert alone["files"][0]["scannedAt"] == "2025-06-01T12:05:00.000"


def test_lists_drop_what_is_not_for_everyone(stand_in: CivitaiStandIn) -> None:
    for model_id, details in enumerate(
        [{}, {"nsfw_level": 16}, {"minor": True}, {"mode": "Archived"}, {"poi": True}, {"mode": "TakenDown"}], 1
    ):
        stand_in.add_file(f"{model_id:064X}", 1024, model_id=model_id, **details)  # type: ignore[arg-type]
    ids = "ids=1,2,3,4,5,6"

    def shown(query: str) -> list[int]:
        return [each["id"] for each in get(stand_in, f"models?{query}").json()["items"]]

    assert shown(ids) == [1, 3, 6]
    assert shown(f"{ids}&nsfw=true") == [1, 2, 6]
    assert get(stand_in, f"models?{ids}&limit=2").json()["metadata"]["nextCursor"] == 2
    assert shown(f"{ids}&limit=2&cursor=2") == [6]


def test_modes_take_files_or_images_away(stand_in: CivitaiStandIn) -> None:
    stand_in.add_file(A, 1024, mode="Archived")
    stand_in.add_file(B, 1024, mode="TakenDown")
    archived = get(stand_in, f"model-versions/by-hash/{A}").json()
    taken_down = get(stand_in, f"model-versions/by-hash/{B}").json()
    assert (archived["files"], len(archived["images"]), "downloadUrl" in archived) == ([], 2, False)
    assert (len(taken_down["files"]), taken_down["images"]) == (1, [])


def test_images_point_here_and_are_real(stand_in: CivitaiStandIn) -> None:
    stand_in.add_file(A, 1024, images=12)
    images = get(stand_in, f"model-versions/by-hash/{A}").json()["images"]
    assert len(images) == 10
    formats = set()
    for image in images:
        assert image["url"].startswith(f"{stand_in.origin}/images/")
        with requests.Session() as session:
            picture = Image.open(io.BytesIO(session.get(image["url"], timeout=5).content))
        assert picture.size == (832, 1248)
        formats.add(picture.format)
    assert formats == {"JPEG", "PNG"}


def test_a_key_counts_only_where_one_is_needed(stand_in: CivitaiStandIn) -> None:
    assert get(stand_in, "me").status_code == 401
    assert get(stand_in, "me", Authorization="Bearer stand-in-key").json()["username"] == "stand_in_user"
    assert get(stand_in, "models?ids=1", Authorization="Bearer wrong").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("models-versions/1", 404),
        ("models/x", 400),
        ("models/0", 400),
        ("model-versions/0", 400),
        ("model-versions/9", 404),
    ],
)
def test_strange_paths_have_the_real_status(stand_in: CivitaiStandIn, path: str, status: int) -> None:
    assert get(stand_in, path).status_code == status


@pytest.mark.parametrize("path", ["models?ids=1", "model-versions/1"])
def test_some_routes_speak_get_only(stand_in: CivitaiStandIn, path: str) -> None:
    assert post(stand_in, path, {}).status_code == 405


def test_connections_are_kept_alive(stand_in: CivitaiStandIn) -> None:
    with requests.Session() as session:
        for _ in range(3):
            answer = session.get(f"{stand_in.base_url}/models/1", timeout=5)
            assert answer.raw.version == 11
            assert answer.headers.get("Connection") != "close"


def test_a_recorded_version_is_answered_with_the_model_it_names(stand_in: CivitaiStandIn) -> None:
    body: dict[str, Any] = {
        "id": 3,
        "modelId": 2,
        "name": "v1",
        "files": [{"id": 1, "hashes": {"SHA256": A}}],
        "images": [],
    }
    assert stand_in.add_recording({**body, "model": {"name": "Fish", "type": "LORA"}}) == [3]
    assert get(stand_in, f"model-versions/by-hash/{A}").json()["model"]["name"] == "Fish"
    assert get(stand_in, "models/2").json()["name"] == "Fish"


def test_it_runs_alone(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(
        '{"id": 1, "modelVersions": [{"id": 2, "files": []}], "name": "x", "type": "LORA"}'
    )
    (tmp_path / "list.json").write_text("[3]")
    command = [sys.executable, "-m", "tests.fakes.civitai_server", "--recordings", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = running.stdout.readline()
        running.terminate()
    assert said.startswith("http://127.0.0.1:")
    assert said.endswith("knows 1 recorded versions\n")
