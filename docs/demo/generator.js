// Generates images with an ONNX file of CondDiffusion.MLNet, as OnnxImageGenerator does in .NET.
import * as ort from './node_modules/onnxruntime-web/dist/ort.wasm.min.mjs';
import { readMetadata } from './metadata.js';
import { initialNoise } from './noise.js';

// The network runs in a worker, so that the page answers meanwhile.
ort.env.wasm.proxy = true;

export class Generator {
  #session;
  #description;
  #seed;

  /**
   * Loads a file of SaveAsOnnx or ConvertToOnnx.
   * @param {Uint8Array} file
   */
  static async load(file) {
    const json = readMetadata(file).get('description');
    if (json === undefined) throw new Error('The file was not made by CondDiffusion.MLNet.');
    return new Generator(json, await ort.InferenceSession.create(file));
  }

  constructor(json, session) {
    this.#session = session;

    // A seed has 64 bits, the lowest of which JSON.parse would round.
    this.#description = JSON.parse(json.replace(/"Seed": (-?\d+)/g, '"Seed": "$1"'));
    this.#seed = BigInt(this.#description.Sampling.Seed ?? this.#description.Seed);

    const { Channels: channels } = this.#description.Network;
    if (channels !== 1 && channels !== 3) throw new Error(`Its images have ${channels} channels, expected 1 or 3.`);
  }

  /** The labels as text; where the model has none, their numbers from 1. */
  get labels() {
    const { Count, Values } = this.#description.Labels;
    return Values ?? Array.from({ length: Count }, (_, i) => `${i + 1}`);
  }

  get width() {
    return this.#description.Network.Width;
  }

  get height() {
    return this.#description.Network.Height;
  }

  get steps() {
    return Math.min(this.#description.Sampling.Steps, this.#description.Timesteps);
  }

  /** Whether the model can generate without a label, and with guidance. */
  get generatesUnlabelled() {
    return this.#description.DrawsUnlabelled;
  }

  /** The guidance scale that the model chooses by itself. */
  get guidance() {
    return this.#description.Sampling.GuidanceScale ?? 2;
  }

  /**
   * Generates an image.
   * @param {number} label the number of its label in the labels, from 0; -1 for none.
   * @param {bigint} seed
   * @param {number} guidance the guidance scale, of which a model without guidance takes no notice.
   * @returns {Promise<ImageData[]>} the image after each step, as far as the file gives them: the last one is it.
   */
  async generate(label, seed, guidance) {
    const { Channels: channels } = this.#description.Network;
    const shape = [1, channels, this.height, this.width];
    const size = channels * this.height * this.width;
    const noise = initialNoise(this.#seed, seed, size);
    const inputs = {
      label: new ort.Tensor('int64', [BigInt(label)], [1]),
      noise: new ort.Tensor('float32', noise, shape),
    };
    if (this.generatesUnlabelled) inputs.guidance = new ort.Tensor('float32', [guidance], [1]);

    const { pixels, steps = pixels } = await this.#session.run(inputs);
    return Array.from({ length: steps.data.length / size }, (_, step) =>
      toImage(steps.data.subarray(step * size, (step + 1) * size), channels, this.width, this.height));
  }
}

/** Makes an image of pixels in [-1, 1], one plane for each channel. A grey image has one plane for all three colors. */
function toImage(pixels, channels, width, height) {
  const image = new ImageData(width, height);
  const plane = width * height;
  for (let i = 0; i < plane; i++) {
    for (let color = 0; color < 3; color++) {
      const pixel = pixels[(color % channels) * plane + i];
      image.data[4 * i + color] = (pixel + 1) / 2 * 255; // rounded and clamped, since these are bytes of an image
    }
    image.data[4 * i + 3] = 255;
  }
  return image;
}
