// The noise that an image begins as: the numbers of the library's Philox.cs and RowNoise.cs, so that a seed gives the
// same image here and in .NET.

/**
 * Philox4x32-10 (Salmon et al. 2011): the four random words of a counter under a key. Words are unsigned integers of
 * 32 bits.
 */
export function philox([a, b, c, d], [low, high]) {
  for (let round = 0; round < 10; round++) {
    [a, b, c, d] = [
      (multiplyHigh(0xcd9e8d57, c) ^ b ^ low) >>> 0,
      Math.imul(0xcd9e8d57, c) >>> 0,
      (multiplyHigh(0xd2511f53, a) ^ d ^ high) >>> 0,
      Math.imul(0xd2511f53, a) >>> 0,
    ];
    low = (low + 0x9e3779b9) >>> 0;
    high = (high + 0xbb67ae85) >>> 0;
  }
  return [a, b, c, d];
}

/**
 * Returns the standard normal numbers that an image begins as.
 * @param {bigint} modelSeed the seed of the model, of 64 bits.
 * @param {bigint} seed the seed of the image, of 64 bits.
 * @param {number} length how many numbers: the image's pixels in all its channels.
 */
export function initialNoise(modelSeed, seed, length) {
  const key = philox([...toWords(seed), 0, 0], toWords(modelSeed)).slice(0, 2);
  const values = new Float32Array(length);
  for (let i = 0; i < length; i += 4) {
    const [a, b, c, d] = philox([i / 4, 0, 0, 0], key);
    const four = [...boxMuller(a, b), ...boxMuller(c, d)];
    values.set(four.slice(0, length - i), i);
  }
  return values;
}

/** Returns two independent normal numbers made from two uniform ones (Box and Muller 1958). */
function boxMuller(a, b) {
  const radius = Math.sqrt(-2 * Math.log((a + 0.5) / 2 ** 32));
  const angle = 2 * Math.PI * ((b + 0.5) / 2 ** 32);
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

/** Returns the upper word of the product of two words. Products of 32 by 16 bits are exact in float64. */
function multiplyHigh(x, y) {
  const low = (x & 0xffff) * y;
  const high = (x >>> 16) * y;
  return Math.floor((high + Math.floor(low / 2 ** 16)) / 2 ** 16);
}

/** Returns the lower and the upper word of an integer of 64 bits, signed or not. */
function toWords(value) {
  return [Number(BigInt.asUintN(32, value)), Number(BigInt.asUintN(32, value >> 32n))];
}
