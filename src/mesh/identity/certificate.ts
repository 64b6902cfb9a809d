import { nodeCrypto } from '../../kernel/node-crypto.ts';
import { der } from './der.ts';
import { oids, sign, signatureAlgorithm, toPem, type KeyPair } from './x509.ts';

/** A certificate to be made. Times are wall milliseconds. */
export interface CertificateSpec {
  readonly publicKey: Buffer;
  /** 16 random bytes. */
  readonly serial: Uint8Array;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly issuer: Issuer;
}

/** Who signs: a root's name, its public key, and its private key in PEM. */
export interface Issuer {
  readonly name: string;
  readonly publicKey: Buffer;
  readonly privateKey: string;
}

/** A workload's certificate: no authority, for both ends of TLS, named by one URI and nothing else (X.509-SVID). PEM. */
export function issueLeaf(spec: CertificateSpec, uri: string): string {
  return certificate(spec, der.sequence(), [
    extension(oids.basicConstraints, der.sequence(), true),
    extension(oids.keyUsage, der.bits(Buffer.from([0x80]), 7), true),
    extension(oids.extendedKeyUsage, der.sequence(der.oid(oids.serverAuth), der.oid(oids.clientAuth))),
    // Critical, because the subject is empty.
    extension(oids.subjectAltName, der.sequence(der.implicit(6, Buffer.from(uri, 'latin1'))), true),
    extension(oids.subjectKeyId, der.octets(keyId(spec.publicKey))),
    extension(oids.authorityKeyId, der.sequence(der.implicit(0, keyId(spec.issuer.publicKey)))),
  ]);
}

/** A root: signs itself, and workloads only. PEM. */
export function issueRoot(
  keys: KeyPair,
  spec: Omit<CertificateSpec, 'issuer' | 'publicKey'> & { readonly name: string; readonly trustDomain: string },
): string {
  const { name, trustDomain } = spec;
  return certificate({ ...spec, publicKey: keys.publicKey, issuer: { ...keys, name } }, named(name), [
    extension(oids.basicConstraints, der.sequence(der.boolean(true), der.integer(Buffer.from([0]))), true),
    extension(oids.keyUsage, der.bits(Buffer.from([0x06]), 1), true),
    extension(oids.subjectAltName, der.sequence(der.implicit(6, Buffer.from(`spiffe://${trustDomain}`, 'latin1')))),
    extension(oids.subjectKeyId, der.octets(keyId(keys.publicKey))),
  ]);
}

function certificate(spec: CertificateSpec, subject: Buffer, extensions: readonly Buffer[]): string {
  const { issuer, serial, notBeforeMs, notAfterMs, publicKey } = spec;
  const body = der.sequence(
    der.explicit(0, der.integer(Buffer.from([2]))),
    der.integer(serial),
    signatureAlgorithm,
    named(issuer.name),
    der.sequence(der.time(notBeforeMs), der.time(notAfterMs)),
    subject,
    publicKey,
    der.explicit(3, der.sequence(...extensions)),
  );
  return toPem('CERTIFICATE', der.sequence(body, signatureAlgorithm, der.bits(sign(body, issuer.privateKey))));
}

function named(name: string): Buffer {
  const part = (oid: string, text: string): Buffer => der.set(der.sequence(der.oid(oid), der.utf8(text)));
  return der.sequence(part(oids.organization, 'Proa'), part(oids.commonName, name));
}

function extension(oid: string, value: Buffer, critical = false): Buffer {
  return der.sequence(der.oid(oid), ...(critical ? [der.boolean(true)] : []), der.octets(value));
}

function keyId(publicKey: Buffer): Buffer {
  return nodeCrypto().createHash('sha256').update(publicKey).digest().subarray(0, 20);
}
