// The SDK's body parser brings tables for every encoding of the last century; the demo's apps speak UTF-8.
const { StringDecoder } = require('node:string_decoder');

exports.encodingExists = (name) => Buffer.isEncoding(name);
exports.getDecoder = (name) => new StringDecoder(name);
exports.decode = (bytes, name) => Buffer.from(bytes).toString(name);
