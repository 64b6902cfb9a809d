import { ProaError } from '../../kernel/errors.ts';

/** An app's name in certificates: `spiffe://<trust domain>/ns/<namespace>/<app id>`. */
export interface AppIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly appId: string;
}

const scheme = 'spiffe://';
const idBytesMax = 2048;
const trustDomainPattern = /^[a-z0-9._-]{1,255}$/;
// Segments as SPIFFE has them; `.` and `..` are none.
const segmentPattern = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,253}$/;

/** The id as text. Fails with `config.invalid` for names that no SPIFFE id can hold. */
export function spiffeId({ trustDomain, namespace, appId }: AppIdentity): string {
  if (!trustDomainPattern.test(trustDomain))
    throw new ProaError('config.invalid', `${JSON.stringify(trustDomain)} is not a trust domain: a-z, 0-9, ".", "-" and "_" are`);
  for (const [what, name] of [
    ['namespace', namespace],
    ['app id', appId],
  ] as const) {
    if (!segmentPattern.test(name))
      throw new ProaError(
        'config.invalid',
        `the ${what} ${JSON.stringify(name)} cannot stand in a certificate: letters, digits, ".", "-" and "_" can`,
      );
  }
  return `${scheme}${trustDomain}/ns/${namespace}/${appId}`;
}

/** What an id says; undefined when it is not of this form, to the letter. */
export function parseSpiffeId(id: string): AppIdentity | undefined {
  if (id.length > idBytesMax || !id.startsWith(scheme)) return undefined;
  const [trustDomain = '', ns, namespace = '', appId = '', ...rest] = id.slice(scheme.length).split('/');
  if (ns !== 'ns' || rest.length > 0 || !trustDomainPattern.test(trustDomain)) return undefined;
  return segmentPattern.test(namespace) && segmentPattern.test(appId) ? { trustDomain, namespace, appId } : undefined;
}
