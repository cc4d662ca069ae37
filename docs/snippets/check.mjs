// Proves ONNX Runtime for Node on the test vectors of a bundle; see vectors.mjs.
//
//   python unpack_vectors.py BUNDLE vectors
//   node check.mjs BUNDLE vectors

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ort from "onnxruntime-node";
import { check } from "./vectors.mjs";

const [model, vectors] = process.argv.slice(2);
if (!vectors) {
  console.error("usage: node check.mjs BUNDLE VECTORS");
  process.exit(2);
}

function read(path) {
  const [folder, file] = path.split("/");
  const place = join({ model, vectors }[folder], file);
  return existsSync(place) ? Uint8Array.from(readFileSync(place)).buffer : null; // aligned, as arrays need
}

for await (const { good, line } of check(ort, read)) {
  console.log(line);
  if (!good) process.exitCode = 1;
}
