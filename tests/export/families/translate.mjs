// Translates by transformers.js: node translate.mjs FOLDER TEXTS.json SUBFOLDER DTYPE MOST
import { readFileSync } from "node:fs";
import { dirname, basename } from "node:path";
import { env, pipeline } from "@huggingface/transformers";

const [folder, texts, subfolder, dtype, most] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = dirname(folder) + "/";
const translate = await pipeline("translation", basename(folder), { dtype, subfolder });
const found = await translate(JSON.parse(readFileSync(texts, "utf-8")), {
  do_sample: false,
  max_new_tokens: Number(most),
});
console.log(JSON.stringify(found.map((each) => each.translation_text)));
