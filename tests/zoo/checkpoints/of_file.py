"""What `transformers` computes with the numbers of a GGUF file.

`python -m tests.zoo.checkpoints.of_file FILE RESULT` makes its Llama of them, and writes some
tokens, their logits, and what follows prompts greedily.
"""

import sys
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import torch
import transformers

from zoo.checkpoints.gguf import open_gguf

TOKENS, PROMPTS, PROMPT, NEW = 256, 20, 12, 64


def main(file: Path, result: Path) -> None:
    """Write the result."""
    checkpoint = open_gguf(file)
    keys = {key: value for key, value in checkpoint.config.items() if key != "model_type"}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**keys)).eval()
    weights = {name: torch.from_numpy(each.read()) for name, each in checkpoint.tensors.items()}
    model.load_state_dict(weights, strict=False)
    model.tie_weights()
    tokenizer = result.with_name("tokenizer.json")
    tokenizer.write_bytes(checkpoint.tokenizer)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tokenizer))
    text = "\n".join(topics[name] for name in sorted(topics))[: 40 * TOKENS]
    ids = torch.tensor([tokenizer(text).input_ids])
    prompts = torch.stack([ids[0, 40 * row :][:PROMPT] for row in range(PROMPTS)])
    with torch.no_grad():
        logits = model(ids[:, :TOKENS]).logits
        written = model.generate(
            prompts, max_new_tokens=NEW, do_sample=False, eos_token_id=None, pad_token_id=0,
            attention_mask=torch.ones_like(prompts),
        )  # fmt: skip
    np.savez(
        result,
        ids=ids[:, :TOKENS].numpy(),
        logits=logits.numpy(),
        prompts=prompts.numpy(),
        written=written[:, PROMPT:].numpy(),
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
