import type { JSONWebKeySet } from 'jose';
import type { Logger } from '../kernel/log.ts';
import type { Clock } from '../kernel/ports.ts';
import { fetchJson } from './fetch-bytes.ts';
import type { HttpClient } from './http-client.ts';

const timeoutMs = 30_000;
const documentBytesMax = 1024 * 1024;
const refreshMs = 10 * 60_000;
// A token with a key that is not known yet may come from a rotation, or from anybody: look, but not at everybody's command.
const lookAgainMs = 60_000;

/** What keys are fetched with; `name` is who asks, for the log. */
export interface IssuerKeysContext {
  readonly clock: Clock;
  readonly http: HttpClient;
  readonly log: Logger;
  readonly name: string;
}

/** The published keys of an issuer of tokens, kept fresh. */
export interface IssuerKeys {
  current(): JSONWebKeySet;
  /** Starts a refresh in the background when the keys have reached their age. */
  freshen(): void;
  /** Fetches the keys for a token whose key is unknown; false when that was done a moment ago, or failed. */
  lookAgain(): Promise<boolean>;
}

/** The keys of an issuer, from `jwksURL` or found through `<issuer>/.well-known/openid-configuration`. Fails when they cannot be had. */
export async function fetchIssuerKeys(issuer: string, jwksUrl: string, context: IssuerKeysContext): Promise<IssuerKeys> {
  const { clock } = context;
  const get = (url: string) => fetchJson({ http: context.http, clock, url, timeoutMs, bytesMax: documentBytesMax });
  const url = jwksUrl === '' ? await discover(issuer, get) : jwksUrl;
  const load = async (): Promise<JSONWebKeySet> => {
    const document = await get(url);
    if (!Array.isArray((document as { keys?: unknown } | null)?.keys)) throw new Error(`${url} has no list "keys"`);
    return document as JSONWebKeySet;
  };
  let keys = await load();
  let loadedAt = clock.mono();
  let loading: Promise<boolean> | undefined;
  const reload = async (): Promise<boolean> => {
    loadedAt = clock.mono();
    try {
      keys = await load();
      return true;
    } catch (error) {
      context.log.warn("the issuer's keys cannot be refreshed; the last ones stay", {
        component: context.name,
        error: (error as Error).message,
      });
      return false;
    } finally {
      loading = undefined;
    }
  };
  return {
    current: () => keys,
    freshen() {
      if (clock.mono() - loadedAt >= refreshMs) loading ??= reload();
    },
    lookAgain() {
      if (loading === undefined && clock.mono() - loadedAt < lookAgainMs) return Promise.resolve(false);
      return (loading ??= reload());
    },
  };
}

async function discover(issuer: string, get: (url: string) => Promise<unknown>): Promise<string> {
  const document = await get(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  const { issuer: found, jwks_uri: jwksUri } = (document ?? {}) as { issuer?: unknown; jwks_uri?: unknown };
  if (typeof jwksUri !== 'string' || jwksUri === '') throw new Error("the OpenID Configuration document does not contain a 'jwks_uri'");
  if (found !== issuer) {
    const seen = JSON.stringify(found);
    throw new Error(`the issuer in the OpenID Configuration document (${seen}) is not the one of the component's metadata ("${issuer}")`);
  }
  return jwksUri;
}
