// Reads the metadata of an ONNX file, which ONNX Runtime's interface for JavaScript does not give.

// The fields of ONNX's messages, which are in Protocol Buffers: ModelProto.metadata_props, and the key and the value
// of a StringStringEntryProto.
const METADATA = 14;
const KEY = 1;
const VALUE = 2;

/**
 * Returns the texts of an ONNX file's metadata by their names.
 * @param {Uint8Array} file
 */
export function readMetadata(file) {
  const metadata = new Map();
  const text = new TextDecoder();
  for (const [number, entry] of readFields(file)) {
    if (number !== METADATA) continue;
    const fields = new Map(readFields(entry));
    metadata.set(text.decode(fields.get(KEY)), text.decode(fields.get(VALUE)));
  }
  return metadata;
}

/** Yields the number and the value of each field of a message. Other types of fields than these two are not used. */
function* readFields(message) {
  let position = 0;
  while (position < message.length) {
    const tag = readInteger();
    const value = readInteger();
    switch (tag % 8) {
      case 0: // an integer
        yield [Math.floor(tag / 8), value];
        break;
      case 2: // bytes, after their number
        yield [Math.floor(tag / 8), message.subarray(position, position + value)];
        position += value;
        break;
      default:
        throw new Error('The file is not an ONNX file.');
    }
  }

  // Seven bits a byte, the lowest first; the highest bit says that another byte follows.
  function readInteger() {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[position++];
      value += (byte % 128) * factor;
      if (!(byte >= 128)) return value;
    }
  }
}
