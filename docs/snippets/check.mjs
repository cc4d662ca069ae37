// Runs every graph of a bundle that is here on its test vectors, and compares what it gives with what
// Keras gave.
//
//   python unpack_vectors.py BUNDLE vectors
//   node check.mjs BUNDLE vectors

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ort from "onnxruntime-node";

const ARRAYS = { float32: Float32Array, int64: BigInt64Array, int32: Int32Array, uint8: Uint8Array };
const TOLERANCE = 1e-4; // or twice what was measured when the variant was exported

const [bundle, vectors] = process.argv.slice(2);
if (!vectors) {
  console.error("usage: node check.mjs BUNDLE VECTORS");
  process.exit(2);
}
const readJson = (...path) => JSON.parse(readFileSync(join(...path), "utf8"));
const manifest = readJson(bundle, "bundle.json");
const known = readJson(vectors, "vectors.json");

function read({ file, type, shape }) {
  const { buffer } = Uint8Array.from(readFileSync(join(vectors, file))); // aligned, as arrays need
  return new ort.Tensor(type, new ARRAYS[type](buffer), shape);
}

for (const [name, variant] of Object.entries(manifest.variants)) {
  const allowed = Math.max(TOLERANCE, 2 * variant.parity);
  for (const [role, file] of Object.entries(variant.graphs)) {
    if (!existsSync(join(bundle, file))) {
      console.log(`${name} ${file} is not here`);
      continue;
    }
    const { inputs, outputs } = known[role];
    const session = await ort.InferenceSession.create(join(bundle, file));
    const feeds = Object.fromEntries(Object.entries(inputs).map(([port, array]) => [port, read(array)]));
    const results = await session.run(feeds, Object.keys(outputs));
    for (const [port, array] of Object.entries(outputs)) {
      const [found, wanted] = [results[port], read(array)];
      const shaped = String(found.dims) === String(wanted.dims);
      let worst = 0;
      found.data.forEach((value, at) => {
        const error = Math.abs(Number(value) - Number(wanted.data[at]));
        if (!(error <= worst)) worst = error; // NaN too
      });
      const good = shaped && worst <= allowed;
      console.log(`${good ? "ok" : "FAILED"} ${name} ${file} ${port}: within ${worst} of ${allowed}`);
      if (!good) process.exitCode = 1;
    }
  }
}
