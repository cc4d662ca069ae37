"""What an imported model keeps of its source: the tokens around a text are those that it had."""

import json

import pytest

from serving.text.tokenizer import Tokenizer
from tests.serving.text import foreign
from zoo.data.given import Given

MADE = foreign.like_sentencepiece(legacy=True)
TEXT = "the cat"


@pytest.mark.parametrize(
    "settings", [{}, {"add_bos_token": False}, {"add_bos_token": True}, {"add_eos_token": True}]
)
@pytest.mark.parametrize("says", [True, False])
def test_what_is_put_before_a_text(says, settings, tmp_path):
    """Where there is a `tokenizer.json`, it is its post-processor that says it, and no setting."""
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"} | settings
    words = special | {"tokenizer_class": "PreTrainedTokenizerFast"}
    document = json.loads(MADE.to_str())
    document["post_processor"] = document["post_processor"] if says else None
    (tmp_path / "tokenizer.json").write_text(json.dumps(document))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(words))
    ends = {"eos_token_id": MADE.token_to_id("</s>")}
    (tmp_path / "generation_config.json").write_text(json.dumps(ends))
    source = transformers.AutoTokenizer.from_pretrained(tmp_path)
    processing = Given.of_directory(tmp_path).processing(MADE.get_vocab_size() + 3)
    ours = Tokenizer(
        (tmp_path / "tokenizer.json").read_bytes(),
        ends=processing["end_tokens"],
        begin=processing.get("begin_tokens"),
    )
    assert [*ours.begin, *ours.encode(TEXT)] == source(TEXT).input_ids
    assert processing["tokens"] == MADE.get_vocab_size()
