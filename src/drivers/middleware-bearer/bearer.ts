import type { JSONWebKeySet } from 'jose';
import type { InferOutput } from 'valibot';
import { ProaError } from '../../kernel/errors.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import { fetchIssuerKeys, type IssuerKeys } from '../../contracts/issuer-keys.ts';
import { firstHeader } from '../../contracts/header-pairs.ts';
import type { HttpMiddleware } from '../../contracts/middleware.ts';
import { plainResponse } from '../../contracts/plain-response.ts';
import type { config } from './config.ts';

const tokenCharsMax = 16 * 1024;
const skewSeconds = 300;

/**
 * Lets requests through that carry a bearer token of the issuer for the audience, signed by one of its keys (asymmetric ones: a published key set holds no
 * secrets), and in time give or take five minutes. Others are answered 401 without a reason.
 */
export async function openBearer(options: InferOutput<typeof config>, context: DriverContext): Promise<HttpMiddleware> {
  const issuer = options.issuer === '' ? options.issuerURL : options.issuer;
  const audience = options.audience === '' ? options.clientID : options.audience;
  let keys: IssuerKeys;
  try {
    if (issuer === '') throw new Error("metadata property 'issuer' is required");
    if (audience === '') throw new Error("metadata property 'audience' is required");
    keys = await fetchIssuerKeys(issuer, options.jwksURL, {
      clock: context.ports.clock,
      http: context.http,
      log: context.log,
      name: context.name,
    });
  } catch (cause) {
    throw new ProaError('component.init-failed', `middleware ${context.name}: ${(cause as Error).message}`, { cause });
  }
  const valid = await verifier({ issuer, audience, keys, context });
  return {
    filter: (next) => async (call) => {
      const token = bearerToken(firstHeader(call.input.headers, 'authorization'));
      if (token !== undefined && (await valid(token))) return next(call);
      return plainResponse(call.input, 401, { text: 'Unauthorized', headers: ['www-authenticate', 'Bearer'] });
    },
    close: async () => {},
  };
}

interface VerifierOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: IssuerKeys;
  readonly context: DriverContext;
}

async function verifier({ issuer, audience, keys, context }: VerifierOptions): Promise<(token: string) => Promise<boolean>> {
  const { createLocalJWKSet, errors, jwtVerify } = await import('jose');
  let setOf: JSONWebKeySet | undefined;
  let keyFor: ReturnType<typeof createLocalJWKSet>;
  const verify = async (token: string): Promise<void> => {
    const current = keys.current();
    if (current !== setOf) {
      setOf = current;
      keyFor = createLocalJWKSet(current);
    }
    const currentDate = new Date(context.ports.clock.now());
    await jwtVerify(token, keyFor, { issuer, audience, currentDate, clockTolerance: skewSeconds });
  };
  return async (token) => {
    keys.freshen();
    try {
      await verify(token);
      return true;
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !(await keys.lookAgain())) return false;
    }
    return verify(token).then(
      () => true,
      () => false,
    );
  };
}

function bearerToken(header: string | undefined): string | undefined {
  if (header === undefined || header.length > tokenCharsMax || header.slice(0, 7).toLowerCase() !== 'bearer ') return undefined;
  const token = header.slice(7).trim();
  return token.length < 10 ? undefined : token;
}
