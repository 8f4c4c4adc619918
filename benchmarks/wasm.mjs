// Generates with an ONNX file in the WebAssembly of ONNX Runtime: node wasm.mjs FILE THREADS N... It prints the
// milliseconds for each image of N at a time, then those to the first image, and the peak memory of that one in MB.
import { readFileSync } from 'node:fs';
import * as ort from '../docs/demo/node_modules/onnxruntime-web/dist/ort.node.min.mjs';

const [file, threads, ...counts] = process.argv.slice(2);
ort.env.wasm.numThreads = Number(threads);

const start = performance.now();
const session = await ort.InferenceSession.create(readFileSync(file), { executionProviders: ['wasm'] });
const [, ...sizes] = session.inputMetadata.find(input => input.name === 'noise').shape;
await generate(1);
const first = performance.now() - start;

// That of resourceUsage() would begin with the memory of the process that started this one.
const [, kibibytes] = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'));
const peak = kibibytes * 1024 / 1e6;

const times = [];
for (const count of counts.map(Number)) {
  await generate(count); // warms up
  const before = performance.now();
  await generate(count);
  times.push((performance.now() - before) / count);
}
console.log([...times, first, peak].map(Math.round).join(' '));
process.exit(); // the runtime's threads would go on

async function generate(count) {
  const shape = [count, ...sizes];
  await session.run({
    label: new ort.Tensor('int64', new BigInt64Array(count), [count]),
    noise: new ort.Tensor('float32', new Float32Array(shape.reduce((a, b) => a * b)), shape),
  });
}
