// Runs every graph of a bundle that is here on its test vectors, and compares what it gives with what
// Keras gave: the part that Node and browsers share; see check.mjs and check.html.

const ARRAYS = { float32: Float32Array, int64: BigInt64Array, int32: Int32Array, uint8: Uint8Array };
const TOLERANCE = 1e-4; // or twice what was measured when the variant was exported

/**
 * Yield { good, line } of each output of each graph.
 *
 * @param ort ONNX Runtime, for Node or for the Web.
 * @param read gives the bytes of "model/FILE" and "vectors/FILE" as an ArrayBuffer, null of what is not here.
 */
export async function* check(ort, read) {
  const json = async (path) => JSON.parse(new TextDecoder().decode(await read(path)));
  const manifest = await json("model/bundle.json");
  const known = await json("vectors/vectors.json");
  const tensor = async ({ file, type, shape }) =>
    new ort.Tensor(type, new ARRAYS[type](await read(`vectors/${file}`)), shape);

  for (const [name, variant] of Object.entries(manifest.variants)) {
    const allowed = Math.max(TOLERANCE, 2 * variant.parity);
    for (const [role, file] of Object.entries(variant.graphs)) {
      const bytes = await read(`model/${file}`);
      if (!bytes) {
        yield { good: true, line: `${name} ${file} is not here` };
        continue;
      }
      const { inputs, outputs } = known[role];
      const session = await ort.InferenceSession.create(new Uint8Array(bytes));
      const feeds = {};
      for (const [port, array] of Object.entries(inputs)) feeds[port] = await tensor(array);
      const results = await session.run(feeds, Object.keys(outputs));
      for (const [port, array] of Object.entries(outputs)) {
        const [found, wanted] = [results[port], await tensor(array)];
        const worst = furthest(found.data, wanted.data);
        const good = String(found.dims) === String(wanted.dims) && worst <= allowed;
        const said = `${name} ${file} ${port}: within ${worst} of ${allowed}`;
        yield { good, line: `${good ? "ok" : "FAILED"} ${said}` };
      }
      await session.release();
    }
  }
}

function furthest(found, wanted) {
  let worst = 0;
  found.forEach((value, at) => {
    const error = Math.abs(Number(value) - Number(wanted[at]));
    if (!(error <= worst)) worst = error; // NaN too
  });
  return worst;
}
