"""How a model was trained: kohya's strings as values, within bounds, whatever stands in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelshelf.domain.header import Format, Header, Verdict
from modelshelf.formats.embedded import embedded_facts
from modelshelf.formats.training import class_tokens, training_parameters, training_tags

if TYPE_CHECKING:
    from modelshelf.domain.jsontypes import JsonValue


def test_parameters_are_numbers_truths_and_texts() -> None:
    found = training_parameters(
        {
            "ss_steps": "1500",
            "ss_learning_rate": "0.0001",
            "ss_optimizer": "bitsandbytes.optim.adamw.AdamW8bit(weight_decay=0.1)",
            "ss_shuffle_caption": "True",
            "ss_flip_aug": "False",
            "ss_seed": "None",
            "ss_unet_lr": "",
            "ss_network_dropout": 0.5,
            "ss_training_started_at": "1690000000.123",
            "ss_training_finished_at": "None",
            "ss_training_comment": " a comment ",
            "ss_network_args": '{"conv_dim": "8", "algo": "lokr", "deep": {"a": 1}, "none": null, "full": true}',
            "ss_dataset_dirs": '{"10_cat": {"n_repeats": 10, "img_count": 25}, "odd": 5}',
            "ss_session_id": "12",
        }
    )

    assert found == {
        "steps": 1500,
        "learning_rate": 0.0001,
        "optimizer": "bitsandbytes.optim.adamw.AdamW8bit(weight_decay=0.1)",
        "shuffle_caption": True,
        "flip_aug": False,
        "network_dropout": 0.5,
        "training_started_at": "2023-07-22T04:26:40+00:00",
        "comment": "a comment",
        "network_args": {"conv_dim": 8, "algo": "lokr", "full": True},
        "directories": [{"name": "10_cat", "images": 25, "repeats": 10}],
    }


@pytest.mark.parametrize("text", ["1e300", "9" * 400, "-1e300", "9e15", "nan", "inf", "True", "{}", "1e17", "x"])
def test_a_moment_that_is_none_is_left_out(text: str) -> None:
    assert training_parameters({"ss_training_started_at": text}) == {}


@pytest.mark.parametrize("text", ["9" * 17, "1e300", "9" * 501, "nan"])
def test_a_number_beyond_what_json_carries_stays_a_text(text: str) -> None:
    expected = {"seed": text} if len(text) <= 500 else {}
    assert training_parameters({"ss_seed": text}) == expected


def test_what_is_said_at_length_is_cut_or_left_out() -> None:
    names = {f"{number}": {"n_repeats": 1, "img_count": number} for number in range(1000)}
    found = training_parameters(
        {
            "ss_training_comment": "c" * 90_000,
            "ss_optimizer": "o" * 501,
            "ss_network_args": json.dumps({"n" * 501: 1, "v": "v" * 501} | {str(n): n for n in range(100)}),
            "ss_dataset_dirs": json.dumps({"d" * 501: {}} | names),
        }
    )

    assert found["comment"] == "c" * 5000
    assert "optimizer" not in found
    assert len(json.dumps(found["network_args"])) < 500
    assert isinstance(found["directories"], list)
    assert len(found["directories"]) == 29


def test_class_tokens_go_before_the_names_of_directories() -> None:
    datasets = [{"subsets": [{"class_tokens": "sks cat"}, {"class_tokens": "None"}, {}, 5]}, {"subsets": 5}, 5]
    names: dict[str, JsonValue] = {
        "ss_dataset_dirs": '{"10_foo 1girl": {}, "bar": {}}',
        "ss_tag_frequency": '{"3_z": {}}',
    }

    assert class_tokens({"ss_datasets": json.dumps(datasets), **names}) == ["sks cat"]
    assert class_tokens(names) == ["foo 1girl", "z"]
    assert class_tokens({"ss_datasets": json.dumps([{"subsets": [{"class_tokens": "t" * 501}]}])}) == []


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        *(
            "ss_datasets",
            "ss_dataset_dirs",
            "ss_tag_frequency",
            "ss_network_args",
            "ss_training_started_at",
            "ss_steps",
        ),
        *("sd_merge_models", "software", "ss_resolution", "modelspec.tags", "general.tags", "adapter.lora.alpha"),
        *(
            "ss_network_dim",
            "ss_new_sd_model_hash",
            "modelspec.merged_from",
            "ot_revision",
            "ot_branch",
            "modelspec.title",
        ),
    ]
)


@settings(max_examples=200, deadline=None)
@given(metadata=st.dictionaries(KEYS, ANYTHING | ANYTHING.map(json.dumps), max_size=6))
def test_whatever_a_header_says_its_facts_are_json_and_bounded(metadata: dict[str, JsonValue]) -> None:
    facts = embedded_facts(Header(Format.GGUF, Verdict.SOUND, metadata=metadata))

    text = json.dumps([each.value for each in facts], allow_nan=False)
    assert len(text) < 20_000
    assert len({each.field for each in facts}) == len(facts)


def test_counts_of_tags_from_several_directories_are_added() -> None:
    assert training_tags({"ss_tag_frequency": '{"a": {"x": 1}, "b": {"x": 2.5}}'}) == [{"tag": "x", "count": 3.5}]
