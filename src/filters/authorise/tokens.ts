import type { JSONWebKeySet } from 'jose';
import { fetchIssuerKeys, type IssuerKeys, type IssuerKeysContext } from '../../contracts/issuer-keys.ts';
import { ProaError } from '../../kernel/errors.ts';
import { ownText } from '../../kernel/flat-text.ts';

export type Claims = Readonly<Record<string, unknown>>;

export interface TokenVerifier {
  /** The claims of a valid token; undefined for one that is not. Fails with `unavailable` when the issuer's keys cannot be had. */
  verify(token: string): Promise<Claims | undefined>;
  /** What `verify` said of the same token a moment ago; undefined: nothing. */
  known(token: string): Claims | undefined;
}

export interface TokenOptions {
  readonly issuer: string;
  readonly audience: string;
  /** Absent: found through the issuer's OpenID configuration. */
  readonly jwksUri?: string;
  readonly context: IssuerKeysContext;
}

const skewSeconds = 60;
const remembered = 1_000;
const rememberedMs = 60_000;

/** Verifies tokens (RFC 7519) by the issuer's published keys. The keys are fetched with the first token; a verified token is believed for a minute. */
export function createTokenVerifier(options: TokenOptions): TokenVerifier {
  const { issuer, audience, context } = options;
  const { clock } = context;
  const good = new Map<string, { readonly claims: Claims; readonly untilMs: number }>();
  let keys: Promise<IssuerKeys> | undefined;
  const keysOf = (): Promise<IssuerKeys> => {
    keys ??= fetchIssuerKeys(issuer, options.jwksUri ?? '', context).catch((cause: unknown) => {
      keys = undefined;
      throw new ProaError('unavailable', `the keys of ${issuer} cannot be fetched: ${(cause as Error).message}`, { cause });
    });
    return keys;
  };
  const remember = (token: string, claims: Claims): void => {
    if (good.size >= remembered) good.delete(good.keys().next().value as string);
    const expiresMs = typeof claims['exp'] === 'number' ? claims['exp'] * 1_000 - clock.now() : Infinity;
    // It was cut out of a head.
    good.set(ownText(token), { claims, untilMs: clock.mono() + Math.min(rememberedMs, Math.max(0, expiresMs)) });
  };
  return {
    known(token) {
      const found = good.get(token);
      if (found === undefined || clock.mono() < found.untilMs) return found?.claims;
      good.delete(token);
      return undefined;
    },
    async verify(token) {
      const { createLocalJWKSet, errors, jwtVerify } = await import('jose');
      const fetched = await keysOf();
      fetched.freshen();
      const check = async (set: JSONWebKeySet): Promise<Claims> => {
        const checked = await jwtVerify(token, createLocalJWKSet(set), {
          issuer,
          audience,
          currentDate: new Date(clock.now()),
          clockTolerance: skewSeconds,
        });
        remember(token, checked.payload);
        return checked.payload;
      };
      try {
        return await check(fetched.current());
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey) || !(await fetched.lookAgain())) return undefined;
        return check(fetched.current()).catch(() => undefined);
      }
    },
  };
}
