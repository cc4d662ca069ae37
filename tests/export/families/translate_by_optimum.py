"""Translates by optimum: python translate_by_optimum.py FOLDER TEXTS.json

It takes an older `transformers` than the tests do, and so runs in an environment of its own.
"""

import json
import sys
from pathlib import Path

from optimum.onnxruntime import ORTModelForSeq2SeqLM
from transformers import AutoTokenizer

folder, texts = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = ORTModelForSeq2SeqLM.from_pretrained(folder)
words = tokenizer(json.loads(Path(texts).read_text()), return_tensors="pt", padding=True)
known = {name: words[name] for name in ("input_ids", "attention_mask")}
written = model.generate(**known, num_beams=1, do_sample=False)
print(json.dumps(tokenizer.batch_decode(written, skip_special_tokens=True)))
