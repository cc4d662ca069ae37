// Draws images with a VAE or a GAN of the zoo, by ONNX Runtime alone.
//
//   npm install onnxruntime-node
//   node draw.mjs BUNDLE digits.pgm [SEED] [LABEL]
//
// In a browser the package is onnxruntime-web, and InferenceSession.create takes the bytes that
// fetch got; the rest is the same.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ort from "onnxruntime-node";

const SIDE = 4; // images in a row and in a column

/** Draw images: { pixels, shape }, bytes in the order [count, height, width, channels]. */
async function draw(bundle, count, seed, label) {
  const open = (file) => ort.InferenceSession.create(join(bundle, file));
  const painter = await open(existsSync(join(bundle, "generator.onnx")) ? "generator.onnx" : "decoder.onnx");
  const latent = painter.inputMetadata.find((port) => port.name === "z").shape[1];
  let z = normal(count * latent, seed);
  const feeds = {};
  if (painter.inputNames.includes("labels")) {
    feeds.labels = new ort.Tensor("int64", new BigInt64Array(count).fill(BigInt(label)), [count]);
  }
  if (existsSync(join(bundle, "prior.onnx"))) { // a VAE with labels has a prior for each
    const { mean, log_variance } = await (await open("prior.onnx")).run({ labels: feeds.labels });
    z = z.map((value, at) => mean.data[at] + Math.exp(log_variance.data[at] / 2) * value);
  }
  feeds.z = new ort.Tensor("float32", z, [count, latent]);
  const { image } = await painter.run(feeds, ["image"]);
  const pixels = Uint8Array.from(image.data, (value) => Math.round(Math.min(Math.max(value, 0), 1) * 255));
  return { pixels, shape: image.dims };
}

/** Standard normal numbers, the same as numpy.random.RandomState(seed).standard_normal gives. */
function normal(size, seed) {
  const random = mersenneTwister(seed);
  const uniform = () => ((random() >>> 5) * 67108864 + (random() >>> 6)) / 9007199254740992;
  const numbers = new Float32Array(size);
  for (let at = 0; at < size; at += 2) {
    let x, y, square;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const scale = Math.sqrt((-2 * Math.log(square)) / square);
    numbers[at] = scale * y;
    if (at + 1 < size) numbers[at + 1] = scale * x;
  }
  return numbers;
}

/** The generator of Matsumoto and Nishimura (1998), MT19937: a function that gives 32 bits. */
function mersenneTwister(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let at = 1; at < 624; at++) {
    const last = state[at - 1] ^ (state[at - 1] >>> 30);
    state[at] = Math.imul(1812433253, last) + at;
  }
  let next = 624;
  return () => {
    if (next === 624) {
      for (let at = 0; at < 624; at++) {
        const bits = (state[at] & 0x80000000) | (state[(at + 1) % 624] & 0x7fffffff);
        state[at] = state[(at + 397) % 624] ^ (bits >>> 1) ^ (bits & 1 ? 0x9908b0df : 0);
      }
      next = 0;
    }
    let bits = state[next++];
    bits ^= bits >>> 11;
    bits ^= (bits << 7) & 0x9d2c5680;
    bits ^= (bits << 15) & 0xefc60000;
    return (bits ^ (bits >>> 18)) >>> 0;
  };
}

/** A square of images as a PGM file (grey) or a PPM file (colour). */
function picture({ pixels, shape }) {
  const [, height, width, channels] = shape;
  const line = width * channels;
  const sheet = new Uint8Array(pixels.length);
  for (let image = 0; image < SIDE * SIDE; image++) {
    for (let y = 0; y < height; y++) {
      const from = (image * height + y) * line;
      const to = ((Math.floor(image / SIDE) * height + y) * SIDE + (image % SIDE)) * line;
      sheet.set(pixels.subarray(from, from + line), to);
    }
  }
  const head = `P${channels === 1 ? 5 : 6} ${SIDE * width} ${SIDE * height} 255\n`;
  return Buffer.concat([Buffer.from(head), sheet]);
}

const [bundle, out, seed = "0", label = "0"] = process.argv.slice(2);
if (!out) {
  console.error("usage: node draw.mjs BUNDLE OUT.pgm [SEED] [LABEL]");
  process.exit(2);
}
writeFileSync(out, picture(await draw(bundle, SIDE * SIDE, Number(seed), Number(label))));
