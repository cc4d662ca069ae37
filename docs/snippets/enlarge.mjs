// Enlarges photographs in a browser with a model of the zoo, by ONNX Runtime Web alone; see
// enlarge.html. Pixels are those that genzoo gives, but for rounding.
//
//   const model = await load("models/fsrcnn-flowers-x3");
//   document.body.append(await enlarge(model, image));

import * as ort from "onnxruntime-web";

const PIECE = 256; // pixels of a side; a larger photograph goes through piece by piece
const BICUBIC_REACH = 3; // pixels around one that bicubic enlarging looks at

/** Load a bundle from a folder: { session, scale, channels, reach }. */
export async function load(folder, variant = "fp32") {
  const manifest = await (await fetched(`${folder}/bundle.json`)).json();
  const file = await fetched(`${folder}/${manifest.variants[variant].graphs.model}`);
  const session = await ort.InferenceSession.create(await file.arrayBuffer());
  return { session, ...manifest.processing };
}

/** Enlarge an image, a canvas or an ImageBitmap: a new canvas. */
export async function enlarge(model, source) {
  const { scale } = model;
  const [width, height] = [source.naturalWidth ?? source.width, source.naturalHeight ?? source.height];
  const small = context(width, height);
  small.drawImage(source, 0, 0);
  const large = context(width * scale, height * scale);
  const reach = Math.max(model.reach, BICUBIC_REACH);
  for (let top = 0; top < height; top += PIECE) {
    for (let left = 0; left < width; left += PIECE) {
      const [right, bottom] = [Math.min(left + PIECE, width), Math.min(top + PIECE, height)];
      // Each piece is seen with as much around it as the network looks at: no seams.
      const [x, y] = [Math.max(left - reach, 0), Math.max(top - reach, 0)];
      const [end, low] = [Math.min(right + reach, width), Math.min(bottom + reach, height)];
      const part = await enlargePixels(model, small.getImageData(x, y, end - x, low - y));
      const [ahead, above] = [(left - x) * scale, (top - y) * scale];
      large.putImageData(
        part, x * scale, y * scale, ahead, above, (right - left) * scale, (bottom - top) * scale,
      );
    }
  }
  return large.canvas;
}

/** Enlarge ImageData at once. */
export async function enlargePixels(model, { data, width, height }) {
  const { scale } = model;
  const planes = [0, 1, 2, 3].map((at) => Float32Array.from({ length: width * height }, (_, i) => data[4 * i + at]));
  const alpha = planes.pop();
  const colours = await (model.channels === 1 ? byLuminance : byColours)(model, planes, width, height);
  const larger = new ImageData(width * scale, height * scale);
  const seen = alpha.every((value) => value === 255) ? null : bicubic(alpha, width, height, scale, wholeLevel);
  for (let i = 0; i < larger.width * larger.height; i++) {
    for (let at = 0; at < 3; at++) larger.data[4 * i + at] = colours[at][i]; // which rounds, and limits
    larger.data[4 * i + 3] = seen ? seen[i] : 255;
  }
  return larger;
}

/** Let the network enlarge Y of ITU-R BT.601; Cb and Cr are bicubic. */
async function byLuminance(model, [red, green, blue], width, height) {
  const mixed = (r, g, b, offset) => red.map((value, i) => (r * value + g * green[i] + b * blue[i]) / 255 + offset);
  const y = mixed(65.481, 128.553, 24.966, 16);
  const larger = (plane) => bicubic(plane, width, height, model.scale);
  const cb = larger(mixed(-37.797, -74.203, 112, 0)), cr = larger(mixed(112, -93.786, -18.214, 0));
  const image = await run(model, y.map((value) => value / 255), width, height);
  const bright = image.map((value) => (value * 255 - 16) * 1.1643835);
  return [
    bright.map((value, i) => value + 1.5960269 * cr[i]),
    bright.map((value, i) => value - 0.39176255 * cb[i] - 0.81296831 * cr[i]),
    bright.map((value, i) => value + 2.0172327 * cb[i]),
  ];
}

/** Let the network enlarge red, green and blue. */
async function byColours(model, planes, width, height) {
  const image = new Float32Array(3 * width * height);
  planes.forEach((plane, at) => plane.forEach((value, i) => (image[3 * i + at] = value / 255)));
  const larger = await run(model, image, width, height);
  return planes.map((_, at) => Float32Array.from({ length: larger.length / 3 }, (_, i) => larger[3 * i + at] * 255));
}

async function run({ session, channels }, image, width, height) {
  const { enlarged } = await session.run({ image: new ort.Tensor("float32", image, [1, height, width, channels]) });
  return enlarged.data;
}

/** Enlarge one plane by the cubic of Keys (a = -0.5), edge pixels being repeated: rows, then columns. */
function bicubic(plane, width, height, scale, rounded = (value) => value) {
  const taps = phases(scale);
  const sum = (source, phase, place, length, step, start) =>
    taps[phase].reduce((total, weight, tap) => {
      const at = Math.min(Math.max(place + tap - 2, 0), length - 1);
      return total + weight * source[start + at * step];
    }, 0);
  const tall = new Float32Array(width * height * scale);
  for (let y = 0; y < height * scale; y++) {
    for (let x = 0; x < width; x++) {
      tall[y * width + x] = rounded(sum(plane, y % scale, Math.floor(y / scale), height, width, x));
    }
  }
  const large = new Float32Array(tall.length * scale);
  for (let i = 0; i < large.length; i++) {
    const x = i % (width * scale);
    const start = Math.floor(i / (width * scale)) * width;
    large[i] = rounded(sum(tall, x % scale, Math.floor(x / scale), width, 1, start));
  }
  return large;
}

/** How much the pixels from 2 before to 2 behind count for each of the new pixels in one's place. */
function phases(scale) {
  return Array.from({ length: scale }, (_, phase) => {
    const centre = (phase + 0.5) / scale - 0.5;
    return [-2, -1, 0, 1, 2].map((place) => cubic(Math.abs(centre - place)));
  });
}

function cubic(x) {
  if (x <= 1) return 1.5 * x ** 3 - 2.5 * x ** 2 + 1;
  return x <= 2 ? -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2 : 0;
}

function wholeLevel(value) {
  return Math.floor(Math.min(Math.max(value, 0), 255) + 0.5);
}

function context(width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  return canvas.getContext("2d", { willReadFrequently: true });
}

async function fetched(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status} ${answer.statusText}`);
  return answer;
}
