import type { InvokeRequest } from '../../contracts/app-channel.ts';
import type { Call } from '../../kernel/call.ts';
import type { Random } from '../../kernel/ports.ts';
import { cookieOf, headerOf } from '../policy/match.ts';
import { hash32 } from './hash.ts';
import type { Member } from './member.ts';
import type { BalanceSettings, StickyKey } from './plan.ts';
import { createMaglev, createRing, type KeyedTable } from './tables.ts';

export interface Picking {
  readonly call: Call<InvokeRequest>;
  readonly nowMs: number;
  /** How many members were tried for this call before. */
  readonly step: number;
}

/** Picks one of at least two usable members. */
export type Strategy = (members: readonly Member[], picking: Picking) => Member;

/** Makes a strategy with what it remembers (whose turn it is, tables). */
export function createStrategy(settings: BalanceSettings, random: Random): Strategy {
  const fallback = twoChoices(random, (member, nowMs) => member.cost(nowMs, settings.slowStartMs));
  switch (settings.policy) {
    case 'p2c-ewma':
      return fallback;
    case 'least-request':
      return twoChoices(random, (member, nowMs) => (member.inFlight + 1) / (member.weight * member.share(nowMs, settings.slowStartMs)));
    case 'random':
      return (members) => members[random.u32() % members.length] as Member;
    case 'round-robin':
      return roundRobin();
    case 'weighted':
      return weighted(settings.slowStartMs);
    case 'ring-hash':
      return keyed(settings.key, createRing, fallback);
    case 'maglev':
      return keyed(settings.key, createMaglev, fallback);
  }
}

/** The better of two taken at random (Mitzenmacher 2001): nearly as good as the best of all, and no herd runs to it. */
function twoChoices(random: Random, cost: (member: Member, nowMs: number) => number): Strategy {
  return (members, { nowMs }) => {
    const drawn = random.u32();
    const a = drawn % members.length;
    let b = (drawn >>> 16) % (members.length - 1);
    if (b >= a) b++;
    const [one, other] = [members[a] as Member, members[b] as Member];
    return cost(other, nowMs) < cost(one, nowMs) ? other : one;
  };
}

function roundRobin(): Strategy {
  let next = 0;
  return (members) => {
    const member = members[next % members.length] as Member;
    next = (next + 1) % members.length;
    return member;
  };
}

/** Smooth weighted round robin, as nginx does it: shares are exact and turns are spread. */
function weighted(slowStartMs: number): Strategy {
  const credit = new WeakMap<Member, number>();
  return (members, { nowMs }) => {
    let total = 0;
    let best = members[0] as Member;
    let most = -Infinity;
    for (const member of members) {
      const weight = member.weight * member.share(nowMs, slowStartMs);
      const now = (credit.get(member) ?? 0) + weight;
      credit.set(member, now);
      total += weight;
      if (now > most) [best, most] = [member, now];
    }
    credit.set(best, most - total);
    return best;
  };
}

/** By a key of the call; calls that have none are balanced as usual. */
function keyed(key: StickyKey | undefined, make: (members: readonly Member[]) => KeyedTable, fallback: Strategy): Strategy {
  let of: readonly Member[] | undefined;
  let table: KeyedTable | undefined;
  return (members, picking) => {
    const value = key === undefined ? undefined : stickyValue(key, picking.call);
    if (value === undefined) return fallback(members, picking);
    if (of !== members || table === undefined) {
      of = members;
      table = make(members);
    }
    return table(hash32(value), picking.step);
  };
}

/** The value of what must stick; undefined when the call has none. */
export function stickyValue(key: StickyKey, { input, caller }: Call<InvokeRequest>): string | undefined {
  switch (key.from) {
    case 'header':
      return headerOf(input.headers, key.name);
    case 'cookie':
      return cookieOf(input.headers, key.name);
    case 'caller':
      return caller.appId;
    case 'path':
      return input.path;
  }
}
