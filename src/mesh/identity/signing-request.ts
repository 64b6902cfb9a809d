import { nodeCrypto } from '../../kernel/node-crypto.ts';
import { der } from './der.ts';
import { DerError, DerReader, oidText } from './der-reader.ts';
import { oids, readExtensions, readUris, sign, signatureAlgorithm, toPem, uriTag, type KeyPair } from './x509.ts';

/** What an authority needs of a signing request whose signature was checked. */
export interface SigningRequest {
  /** SubjectPublicKeyInfo, DER: a P-256 key of which the asker has shown that it holds the private half. */
  readonly publicKey: Buffer;
  /** The one URI that it asks for. */
  readonly uri: string;
}

const requestBytesMax = 4096;

/** A signing request (PKCS #10) for one URI, DER. */
export function createSigningRequest(keys: KeyPair, uri: string): Buffer {
  const altName = der.sequence(der.implicit(6, Buffer.from(uri, 'latin1')));
  const extensions = der.sequence(der.sequence(der.oid(oids.subjectAltName), der.octets(altName)));
  const attributes = der.explicit(0, der.sequence(der.oid(oids.extensionRequest), der.set(extensions)));
  const info = der.sequence(der.integer(Buffer.from([0])), der.sequence(), keys.publicKey, attributes);
  return der.sequence(info, signatureAlgorithm, der.bits(sign(info, keys.privateKey)));
}

/** The request in PEM, for other authorities. */
export function signingRequestPem(request: Uint8Array): string {
  return toPem('CERTIFICATE REQUEST', request);
}

/**
 * Reads a request and checks its signature; a string says why it is refused. Only what we write ourselves is accepted: a P-256 key, ECDSA with SHA-256,
 * one URI and no other name.
 */
export function readSigningRequest(bytes: Uint8Array): SigningRequest | string {
  if (bytes.length > requestBytesMax) return `the signing request has more than ${requestBytesMax} bytes`;
  try {
    return read(bytes);
  } catch (error) {
    if (error instanceof DerError) return `the signing request is not valid: ${error.message}`;
    throw error;
  }
}

function read(bytes: Uint8Array): SigningRequest | string {
  const top = new DerReader(bytes);
  const request = top.inside(0x30);
  top.end();
  const info = request.next(0x30);
  if (!request.next(0x30).whole.equals(signatureAlgorithm)) return 'the signing request is not signed by ECDSA with SHA-256';
  const signature = request.next(0x03).content;
  request.end();
  const fields = new DerReader(info.content);
  if (!fields.next(0x02).content.equals(Buffer.from([0]))) return 'the signing request has an unknown version';
  fields.next(0x30);
  const publicKey = Buffer.from(fields.next(0x30).whole);
  if (!isP256(publicKey)) return 'the key of the signing request is not of the curve P-256';
  const uris = readAttributes(fields.inside(0xa0));
  fields.end();
  const [uri] = uris;
  if (uri === undefined || uris.length !== 1) return `the signing request asks for ${uris.length} URIs instead of one`;
  if (signature[0] !== 0 || !verifies(info.whole, publicKey, signature.subarray(1))) return 'the signature of the signing request is wrong';
  return { publicKey, uri };
}

function isP256(publicKey: Buffer): boolean {
  const info = new DerReader(publicKey).inside(0x30);
  const algorithm = info.inside(0x30);
  const right = oidText(algorithm.next(0x06).content) === oids.ecPublicKey && oidText(algorithm.next(0x06).content) === oids.p256;
  // An uncompressed point: 0 unused bits, 4, two coordinates.
  const point = info.next(0x03).content;
  return right && algorithm.done && info.done && point.length === 66 && point[0] === 0 && point[1] === 4;
}

function readAttributes(attributes: DerReader): string[] {
  const uris: string[] = [];
  while (!attributes.done) {
    const attribute = attributes.inside(0x30);
    if (oidText(attribute.next(0x06).content) !== oids.extensionRequest) throw new DerError('it has an attribute that is not expected');
    const values = attribute.inside(0x31);
    for (const { id, value } of readExtensions(values.inside(0x30))) {
      if (id !== oids.subjectAltName) throw new DerError('it asks for more than a name');
      const names = new DerReader(value).inside(0x30);
      while (!names.done) if (names.next().tag !== uriTag) throw new DerError('it asks for a name that is no URI');
      uris.push(...readUris(value));
    }
    values.end();
    attribute.end();
  }
  return uris;
}

function verifies(bytes: Uint8Array, publicKey: Buffer, signature: Uint8Array): boolean {
  try {
    return nodeCrypto().verify('sha256', bytes, { key: publicKey, format: 'der', type: 'spki' }, signature);
  } catch {
    // A point that is not on the curve.
    return false;
  }
}
