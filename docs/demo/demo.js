// The page: its form, its images, and what it says about them.
import { Generator } from './generator.js';

const CHECKED = 10; // labels that are chosen at first
const STEP_TIME = 60; // ms that a step of an image is shown

const find = id => document.getElementById(id);
const form = document.querySelector('form');
const button = document.querySelector('button');
const images = find('images');

/** Tells a reader of the screen, too. */
const say = text => { find('status').textContent = text; };

/** The models that have been loaded, by their files. */
const generators = new Map();

/** Stops the images that are being generated; null while there are none. */
let stop = null;

find('model').addEventListener('change', choose);
form.addEventListener('submit', event => {
  event.preventDefault();
  if (stop) stop.abort();
  else run();
});
choose();

/** Loads the chosen model, and shows what it can do. */
async function choose() {
  const file = find('model').value;
  stop?.abort();
  find('settings').hidden = true;
  say('Loading the model…');
  try {
    if (!generators.has(file)) generators.set(file, await Generator.load(await download(file)));
    if (file !== find('model').value) return; // another one was chosen meanwhile
    const generator = generators.get(file);
    showSettings(generator);
    say(`Ready: ${generator.labels.length} labels, ${generator.width} × ${generator.height} pixels, ` +
      `${generator.steps} steps for each image.`);
  } catch (error) {
    if (file === find('model').value) say(`The model cannot be used. ${error.message}`);
  }
}

async function download(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`There is no file ${url} beside this page.`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Returns the names of a model's labels: those of the page for the labels 0, 1 and so on, or the labels themselves. */
function nameLabels({ labels }) {
  const names = find('model').selectedOptions[0].dataset.labels?.split(',') ?? [];
  return labels.map(label => names[label] ?? label);
}

function showSettings(generator) {
  const text = generator.labels; // in the order of the training images
  const labels = nameLabels(generator)
    .map((name, label) => ({ name, label }))
    .sort((a, b) => text[a.label].localeCompare(text[b.label], undefined, { numeric: true }));
  if (generator.generatesUnlabelled) labels.push({ name: 'no label', label: -1 });
  find('labels').replaceChildren();
  for (const [i, { name, label }] of labels.entries()) {
    const checkbox = Object.assign(document.createElement('input'), {
      type: 'checkbox', name: 'label', value: label, checked: label >= 0 && i < CHECKED,
    });
    const choice = document.createElement('label');
    choice.append(checkbox, name);
    find('labels').append(choice);
  }
  find('guided').hidden = !generator.generatesUnlabelled;
  find('guidance').value = generator.guidance;
  find('settings').hidden = false;
}

/** Generates what the form asks for, and shows each image when it is there. */
async function run() {
  const generator = generators.get(find('model').value);
  const chosen = readForm(generator);
  if (chosen.length === 0) {
    say('Choose at least one label.');
    return;
  }

  const { signal } = stop = new AbortController();
  button.textContent = 'Stop';
  images.replaceChildren();
  images.ariaBusy = 'true';
  try {
    for (const { name, label, seed, guidance } of chosen) {
      say(`Generating image ${images.childElementCount + 1} of ${chosen.length}…`);
      const steps = await generator.generate(label, seed, guidance);
      if (signal.aborted) break;
      show(steps, `${name}, seed ${seed}`);
    }
    say(`${signal.aborted ? 'Stopped' : 'Done'}: ${images.childElementCount} of ${chosen.length} images.`);
  } catch (error) {
    say(`The image could not be generated. ${error.message}`);
  }
  images.ariaBusy = 'false';
  button.textContent = 'Generate';
  stop = null;
}

/** Returns what decides each image. The images of a label have successive seeds. */
function readForm(generator) {
  const first = BigInt(find('seed').valueAsNumber);
  const guidance = find('guidance').valueAsNumber;
  const names = nameLabels(generator);
  const labels = new FormData(form).getAll('label').map(Number);
  return labels.flatMap(label => Array.from({ length: find('count').valueAsNumber }, (_, i) => ({
    name: names[label] ?? 'no label',
    label,
    seed: first + BigInt(i),
    guidance,
  })));
}

/** Shows an image, which emerges from its steps unless the visitor wants no motion. */
function show(steps, name) {
  const png = toPng(steps.at(-1));
  const element = Object.assign(document.createElement('img'), { src: png, alt: name });
  const link = Object.assign(document.createElement('a'), {
    href: png, download: `${name}.png`, textContent: 'Download', ariaLabel: `Download ${name}`,
  });
  const caption = document.createElement('figcaption');
  caption.append(name, link);
  const figure = document.createElement('figure');
  figure.append(element, caption);
  const item = document.createElement('li');
  item.append(figure);
  images.append(item);
  if (!matchMedia('(prefers-reduced-motion: reduce)').matches) play(element, steps);
}

/** Shows each step for a moment, and in the end the last one. */
async function play(element, steps) {
  for (const step of steps) {
    element.src = toPng(step);
    await new Promise(resolve => setTimeout(resolve, STEP_TIME));
  }
}

function toPng(image) {
  const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas.toDataURL('image/png');
}
