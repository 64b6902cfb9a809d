import type { InvokeRequest } from '../../contracts/app-channel.ts';
import type { Call } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Filter } from '../../kernel/service.ts';
import type { Claims, TokenVerifier } from './tokens.ts';

/** A rule whose match fits the call already; what is left is the token. */
export interface Grant {
  readonly name: string;
  readonly action: 'allow' | 'deny';
  /** Only tells what it would do. */
  readonly dryRun: boolean;
  readonly token?: { readonly verifier: TokenVerifier; readonly claims: Readonly<Record<string, readonly string[]>> };
}

/** Why a call is refused, and by which rule; absent: none allows it. */
export interface Refusal {
  readonly why: string;
  readonly by?: string;
}

export interface DecideOptions {
  readonly grants: readonly Grant[];
  /** True when some rule of the target is in force: what none allows is then denied. */
  readonly enforced: boolean;
  /** True when some rule of the target is on trial. */
  readonly onTrial: boolean;
  readonly target: string;
  /** Told of a refusal, and of one that would have been. */
  readonly refused: (call: Call<InvokeRequest>, refusal: Refusal, dryRun: boolean) => void;
}

const tokenCharsMax = 16 * 1024;

/**
 * Deny wins, then allow, and what nobody allows is denied as soon as one rule exists. Rules on trial are judged together with those in force; where they
 * would change an answer they only say so.
 */
export function decide<Out>(options: DecideOptions): Filter<InvokeRequest, Out> {
  const { grants, enforced, onTrial, target, refused } = options;
  const inForce = grants.filter(({ dryRun }) => !dryRun);
  return (next) => (call) => {
    const token = grants.some((grant) => grant.token !== undefined) ? bearerOf(call.input.headers) : undefined;
    const judge = (claims: (verifier: TokenVerifier) => Claims | undefined): Promise<Out> => {
      const why = enforced ? refusal(inForce, claims) : undefined;
      if (why !== undefined) {
        refused(call, why, false);
        call.input.body.discard();
        return Promise.reject(
          new ProaError(
            'invoke.denied',
            `${target}: ${why.why} (caller "${call.caller.appId}", ${call.input.httpMethod} /${call.input.path})`,
            { refusedAt: 'callee' },
          ),
        );
      }
      const trial = onTrial ? refusal(grants, claims) : undefined;
      if (trial !== undefined) refused(call, trial, true);
      return next(call);
    };
    if (token === undefined) return judge(() => undefined);
    const verifiers = new Set(grants.flatMap((grant) => (grant.token === undefined ? [] : [grant.token.verifier])));
    if ([...verifiers].every((verifier) => verifier.known(token) !== undefined)) return judge((verifier) => verifier.known(token));
    return verifyAll(verifiers, token).then((claims) => judge((verifier) => claims.get(verifier)));
  };
}

async function verifyAll(verifiers: ReadonlySet<TokenVerifier>, token: string): Promise<Map<TokenVerifier, Claims | undefined>> {
  const verified = new Map<TokenVerifier, Claims | undefined>();
  for (const verifier of verifiers) verified.set(verifier, verifier.known(token) ?? (await verifier.verify(token)));
  return verified;
}

/** Why the rules refuse; undefined when they allow. */
function refusal(grants: readonly Grant[], claims: (verifier: TokenVerifier) => Claims | undefined): Refusal | undefined {
  const fits = (grant: Grant): boolean => grant.token === undefined || fitsToken(grant.token.claims, claims(grant.token.verifier));
  const denying = grants.find((grant) => grant.action === 'deny' && fits(grant));
  if (denying !== undefined) return { why: `${denying.name} denies the call`, by: denying.name };
  return grants.some((grant) => grant.action === 'allow' && fits(grant)) ? undefined : { why: 'no policy allows the call' };
}

function fitsToken(wanted: Readonly<Record<string, readonly string[]>>, claims: Claims | undefined): boolean {
  if (claims === undefined) return false;
  return Object.entries(wanted).every(([name, values]) => {
    const found = claimOf(claims, name);
    const list = Array.isArray(found) ? found : typeof found === 'string' && name === 'scope' ? found.split(' ') : [found];
    return list.some((value) => values.includes(String(value)));
  });
}

/** `realm.role` looks inside objects, unless a claim has that very name. */
function claimOf(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let at: unknown = claims;
  for (const part of name.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<string, unknown>)[part];
  }
  return at;
}

function bearerOf(headers: readonly string[]): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'authorization') continue;
    const value = headers[i + 1] as string;
    return value.length <= tokenCharsMax && value.slice(0, 7).toLowerCase() === 'bearer ' ? value.slice(7).trim() : undefined;
  }
  return undefined;
}
