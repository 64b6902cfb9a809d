import { nodeCrypto } from '../../kernel/node-crypto.ts';
import { der } from './der.ts';
import { DerError, DerReader, oidText, type Element } from './der-reader.ts';

/** Object identifiers of RFC 5280 and 5758. */
export const oids = {
  ecPublicKey: '1.2.840.10045.2.1',
  p256: '1.2.840.10045.3.1.7',
  ecdsaSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectKeyId: '2.5.29.14',
  authorityKeyId: '2.5.29.35',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  extensionRequest: '1.2.840.113549.1.9.14',
} as const;

/** `[6]` of GeneralName: a URI. */
export const uriTag = 0x86;

export const signatureAlgorithm: Buffer = der.sequence(der.oid(oids.ecdsaSha256));

/** A P-256 key pair in the forms that TLS and certificates want. */
export interface KeyPair {
  /** PKCS #8, PEM. */
  readonly privateKey: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
}

/** A fresh P-256 key pair. */
export function createKeyPair(): KeyPair {
  const { privateKey, publicKey } = nodeCrypto().generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
  };
}

/** ECDSA with SHA-256 over `bytes`, by a key in PEM. */
export function sign(bytes: Uint8Array, privateKey: string): Buffer {
  return nodeCrypto().sign('sha256', bytes, privateKey);
}

/** `bytes` between the lines of a PEM block. */
export function toPem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** The certificates of a PEM text, in their order. */
export function pemCertificates(pem: string): Buffer[] {
  return [...pem.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g)].map(([, body]) =>
    Buffer.from(body as string, 'base64'),
  );
}

/** An extension: its identifier, whether it must be understood, and its content. */
export interface Extension {
  readonly id: string;
  readonly critical: boolean;
  readonly value: Buffer;
}

/** What we look at in a certificate. Times are wall milliseconds. */
export interface CertificateFacts {
  readonly validFromMs: number;
  readonly validToMs: number;
  readonly uris: readonly string[];
  readonly authority: boolean;
  /** How many authorities may stand between this one and a leaf; absent: any number. */
  readonly pathLength?: number;
  /** Identifiers of extensions that whoever relies on it must understand. */
  readonly critical: readonly string[];
}

/** Reads a certificate. Throws `DerError` when it is not strict DER. */
export function readCertificate(bytes: Uint8Array): CertificateFacts {
  const outer = new DerReader(bytes).inside(0x30);
  const body = outer.inside(0x30);
  body.optional(0xa0);
  body.next(0x02);
  body.next(0x30);
  body.next(0x30);
  const validity = body.inside(0x30);
  const [validFromMs, validToMs] = [timeOf(validity.next()), timeOf(validity.next())];
  body.next(0x30);
  body.next(0x30);
  body.optional(0x81);
  body.optional(0x82);
  const wrapped = body.optional(0xa3);
  const extensions = wrapped === undefined ? [] : readExtensions(new DerReader(wrapped.content).inside(0x30));
  const alt = extensions.find(({ id }) => id === oids.subjectAltName);
  const basic = extensions.find(({ id }) => id === oids.basicConstraints);
  return {
    validFromMs,
    validToMs,
    uris: alt === undefined ? [] : readUris(alt.value),
    ...readBasic(basic?.value),
    critical: extensions.filter(({ critical }) => critical).map(({ id }) => id),
  };
}

function readBasic(value: Uint8Array | undefined): Pick<CertificateFacts, 'authority' | 'pathLength'> {
  if (value === undefined) return { authority: false };
  const basic = new DerReader(value).inside(0x30);
  const authority = basic.optional(0x01)?.content[0] === 0xff;
  const length = basic.optional(0x02)?.content;
  if (length !== undefined && (length.length === 0 || length.length > 4)) throw new DerError('a path length is empty or too large');
  return { authority, ...(length !== undefined && { pathLength: length.readUIntBE(0, length.length) }) };
}

/** Reads a sequence of extensions. */
export function readExtensions(reader: DerReader): Extension[] {
  const found: Extension[] = [];
  while (!reader.done) {
    const extension = reader.inside(0x30);
    const id = oidText(extension.next(0x06).content);
    const critical = extension.optional(0x01)?.content[0] === 0xff;
    found.push({ id, critical, value: extension.next(0x04).content });
    extension.end();
  }
  return found;
}

/** The URIs of a SubjectAltName. */
export function readUris(value: Uint8Array): string[] {
  const uris: string[] = [];
  const names = new DerReader(value).inside(0x30);
  while (!names.done) {
    const { tag, content } = names.next();
    if (tag === uriTag) uris.push(content.toString('latin1'));
  }
  return uris;
}

function timeOf({ tag, content }: Element): number {
  const text = content.toString('latin1');
  const [, year, rest] = (tag === 0x17 ? /^(\d\d)(\d{10})Z$/ : /^(\d{4})(\d{10})Z$/).exec(text) ?? [];
  if (year === undefined || rest === undefined) return Number.NaN;
  const full = tag === 0x17 ? String(Number(year) < 50 ? 2000 + Number(year) : 1900 + Number(year)) : year;
  const [month, day, hour, minute, second] = rest.match(/../g) as string[];
  return Date.parse(`${full}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
