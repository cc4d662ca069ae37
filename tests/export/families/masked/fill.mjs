// Fills gaps and makes vectors by transformers.js: node fill.mjs FOLDER TEXTS.json SUBFOLDER DTYPE K
import { readFileSync } from "node:fs";
import { dirname, basename } from "node:path";
import { env, pipeline } from "@huggingface/transformers";

const [folder, texts, subfolder, dtype, topK] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = dirname(folder) + "/";
const options = { dtype, subfolder };
const fill = await pipeline("fill-mask", basename(folder), options);
const asked = JSON.parse(readFileSync(texts, "utf-8"));
const filled = await fill(asked.gaps, { top_k: Number(topK) });
const embed = await pipeline("feature-extraction", basename(folder), options);
const vectors = await embed(asked.texts, { pooling: "mean", normalize: true });
console.log(JSON.stringify({ filled, vectors: vectors.tolist() }));
