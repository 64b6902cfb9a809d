import { DerError } from './der-reader.ts';
import { parseSpiffeId, type AppIdentity } from './spiffe-id.ts';
import { readCertificate, type CertificateFacts } from './x509.ts';

/** What a peer showed: its certificate, and OpenSSL's code when the chain does not lead to a root of ours or is not valid now. */
export interface Shown {
  readonly der: Uint8Array;
  readonly untrusted: string | undefined;
}

export interface Expectation {
  readonly trustDomain: string;
  readonly nowMs: number;
  /** The app that has to be there; absent: any of the trust domain. */
  readonly app?: Pick<AppIdentity, 'namespace' | 'appId'>;
}

/** Who the peer is, from its certificate alone; or why it is refused, in words for both sides. */
export function verifyPeer({ der, untrusted }: Shown, expected: Expectation): AppIdentity | { readonly refused: string } {
  let facts: CertificateFacts;
  try {
    facts = readCertificate(der);
  } catch (error) {
    if (error instanceof DerError) return { refused: `the certificate cannot be read: ${error.message}` };
    throw error;
  }
  if (untrusted !== undefined) return { refused: whyUntrusted(untrusted, facts, expected.nowMs) };
  const { uris } = facts;
  if (facts.authority) return { refused: 'the certificate is that of an authority, not of an app' };
  if (uris.length !== 1) return { refused: `the certificate names ${uris.length} URIs instead of one` };
  const identity = parseSpiffeId(uris[0] as string);
  if (identity === undefined) return { refused: `${JSON.stringify((uris[0] as string).slice(0, 200))} is not the id of an app` };
  if (identity.trustDomain !== expected.trustDomain)
    return { refused: `the certificate is of the trust domain "${identity.trustDomain}", not of "${expected.trustDomain}"` };
  const { app } = expected;
  if (app !== undefined && (app.appId !== identity.appId || app.namespace !== identity.namespace))
    return {
      refused: `the certificate is that of ${uris[0]}, but the call is for the app "${app.appId}" of the namespace "${app.namespace}"`,
    };
  return identity;
}

function whyUntrusted(code: string, { validFromMs, validToMs }: CertificateFacts, nowMs: number): string {
  const at = (ms: number): string => (Number.isNaN(ms) ? 'an unknown time' : new Date(ms).toISOString());
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return `the certificate expired at ${at(validToMs)}; here it is ${at(nowMs)}`;
    case 'CERT_NOT_YET_VALID':
      return `the certificate is valid from ${at(validFromMs)} on; here it is ${at(nowMs)}`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return 'the certificate signed itself';
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'CERT_SIGNATURE_FAILURE':
      return 'the certificate was not issued by an authority that is trusted here';
    case 'INVALID_PURPOSE':
      return 'the certificate is not for connections between apps (extended key usage)';
    default:
      return `the certificate is not valid (${code})`;
  }
}
