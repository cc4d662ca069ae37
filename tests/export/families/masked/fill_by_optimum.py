"""Fills gaps and makes vectors by optimum: python fill_by_optimum.py FOLDER TEXTS.json TOP_K

It takes an older `transformers` than the tests do, and so runs in an environment of its own.
"""

import json
import sys
from pathlib import Path

from optimum.onnxruntime import ORTModelForFeatureExtraction, ORTModelForMaskedLM
from transformers import AutoTokenizer, pipeline

folder, texts, top_k = sys.argv[1:]
asked = json.loads(Path(texts).read_text())
tokenizer = AutoTokenizer.from_pretrained(folder)
fill = pipeline("fill-mask", ORTModelForMaskedLM.from_pretrained(folder), tokenizer=tokenizer)
filled = [fill(text, top_k=int(top_k)) for text in asked["gaps"]]
words = tokenizer(asked["texts"], return_tensors="pt", padding=True)
states = ORTModelForFeatureExtraction.from_pretrained(folder)(**words).last_hidden_state
mask = words["attention_mask"].unsqueeze(-1)
vectors = (states * mask).sum(1) / mask.sum(1)
vectors = vectors / vectors.norm(dim=1, keepdim=True)
print(json.dumps({"filled": filled, "vectors": vectors.tolist()}))
