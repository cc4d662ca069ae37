"""What `transformers` writes and computes: `python -m tests.zoo.checkpoints.reference PLACE`.

PLACE has `jobs.json`, a list of models to make; it receives of each some tokens and their logits.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


def run(job, result):
    """Write a model whose every weight matters, and what it makes of some tokens."""
    keys = dict(job["keys"])
    config = transformers.AutoConfig.for_model(job["kind"], **keys)
    torch.manual_seed(job.get("seed", 0))
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for weight in model.parameters():
            weight += job.get("stddev", 0.2) * torch.randn(weight.shape)
    model = model.eval().to(getattr(torch, job.get("dtype", "float32")))
    model.save_pretrained(job["folder"], **job.get("options", {}))
    model = model.float()
    length = job.get("length", config.max_position_embeddings)
    ids = torch.randint(0, config.vocab_size, (2, length))
    with torch.no_grad():
        found = {"ids": ids.numpy(), "logits": model(ids).logits.numpy()}
        if "new" in job:
            prompt = torch.tensor(job["prompts"])
            options = {"do_sample": False, "max_new_tokens": job["new"], "use_cache": False}
            found["written"] = model.generate(prompt, eos_token_id=None, **options).numpy()
    np.savez(result, **found)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    for index, each in enumerate(json.loads((place / "jobs.json").read_text())):
        run(each, place / f"{index}.npz")
