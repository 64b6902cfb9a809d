import type { Engine } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import { logFields } from '../../kernel/names.ts';
import type { Clock, Disk, Random } from '../../kernel/ports.ts';
import { Rounds } from '../../kernel/rounds.ts';
import { prefixEnd, tuple, untuple, type Key } from '../../kernel/tuple.ts';
import { createAuthority, type Authority } from './authority.ts';
import { spiffeId, type AppIdentity } from './spiffe-id.ts';
import type { IdentityTimings } from './timings.ts';

/** Below this the signing requests stand that wait for an answer; an app's own below its namespace and id, which a scoped client cannot leave. */
export const asksPrefix: Key = tuple('identity', 'asks');

/** How long a request, and an answer that nobody fetches, are kept. */
export const askTtlMs = 60_000;
const batchMax = 100;
const domainsMax = 100;

/** Where an app's request with this id stands. */
export function askKey({ trustDomain, namespace, appId }: AppIdentity, id: string): Key {
  return tuple('identity', 'asks', trustDomain, namespace, appId, id);
}

/** Where the answer to it will stand. */
export function answerKey({ trustDomain, namespace, appId }: AppIdentity, id: string): Key {
  return tuple('identity', 'answers', trustDomain, namespace, appId, id);
}

/** The answer to a signing request. */
export interface SigningAnswer {
  readonly certificate?: string;
  readonly refused?: string;
}

export interface SigningDeskOptions {
  readonly ports: { readonly clock: Clock; readonly disk: Disk; readonly random: Random };
  readonly log: Logger;
  readonly engine: Engine;
  readonly directory: string;
  readonly timings?: IdentityTimings;
}

/** Answers the signing requests that stand in the engine. */
export interface SigningDesk {
  /** Answers all that wait now. One that cannot be answered stays for the next call, and holds up no other. */
  serve(): Promise<void>;
  authority(trustDomain: string): Authority;
}

/**
 * The desk of the engine's owner. Who asks is what the key of a request says: clients that are bound to an app's prefixes cannot write another's. The
 * name in the request must be that app's, and the request must be signed by the key that it holds.
 */
export function createSigningDesk(options: SigningDeskOptions): SigningDesk {
  const { engine, log } = options;
  const authorities = new Map<string, Authority>();

  const authority = (trustDomain: string): Authority => {
    let known = authorities.get(trustDomain);
    if (known === undefined) {
      if (authorities.size >= domainsMax) throw new ProaError('overloaded', `more than ${domainsMax} trust domains`);
      known = createAuthority({ ...options, trustDomain });
      authorities.set(trustDomain, known);
    }
    return known;
  };
  const answer = async (key: Key, request: Uint8Array): Promise<void> => {
    const [, , trustDomain, namespace, appId, id] = untuple(key) as string[];
    if (trustDomain === undefined || namespace === undefined || appId === undefined || id === undefined) {
      await engine.commit({ delete: [key] });
      return;
    }
    const asker = { trustDomain, namespace, appId };
    const issued = await authority(trustDomain).issue(request, asker);
    if (typeof issued === 'string') log.warn('a signing request was refused', { identity: spiffeId(asker), reason: issued });
    const value: SigningAnswer = typeof issued === 'string' ? { refused: issued } : issued;
    const put = { key: answerKey(asker, id), value: Buffer.from(JSON.stringify(value)), expiresAtMs: engine.now() + askTtlMs };
    await engine.commit({ if: [{ kind: 'exists', key }], put: [put], delete: [key] });
  };
  const rounds = new Rounds(async () => {
    let from = asksPrefix;
    for (let more = true; more;) {
      const page = await engine.range({ from, to: prefixEnd(asksPrefix), limit: batchMax });
      for (const { key, value } of page.entries) {
        await answer(key, value).catch((error: unknown) =>
          log.warn('a signing request cannot be answered', { [logFields.error]: ProaError.from(error).message }),
        );
        from = `${key}\x00`;
      }
      more = page.more;
    }
  });
  return { authority, serve: () => rounds.round() };
}
