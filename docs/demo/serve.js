// Serves the page on this machine: node serve.js [MODEL.onnx] [PORT]. The model stands in for all that the page offers.
// Any server of files will do as well; the two headers about origins let the network use several threads.
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { pipeline } from 'node:stream';

const types = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.onnx': 'application/octet-stream',
  '.wasm': 'application/wasm',
};

const [model, port = 8080] = process.argv.slice(2);

const server = createServer((request, response) => {
  // The URL has no dots any more that would lead out of the directory.
  let { pathname } = new URL(`http://localhost${request.url}`);
  if (pathname === '/') pathname = '/index.html';
  const isModel = extname(pathname) === '.onnx';
  const file = createReadStream(isModel && model ? model : join(import.meta.dirname, pathname));
  file.on('open', () => {
    response.writeHead(200, {
      'Content-Type': types[extname(pathname)] ?? 'application/octet-stream',
      'Cross-Origin-Embedder-Policy': 'require-corp',
      'Cross-Origin-Opener-Policy': 'same-origin',
    });
    pipeline(file, response, () => {});
  });
  file.on('error', () => {
    if (!response.headersSent) response.writeHead(404).end();
  });
});
server.listen(port, 'localhost', () => console.log(`http://localhost:${server.address().port}/`));
