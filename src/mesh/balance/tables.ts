import { hash32 } from './hash.ts';
import type { Member } from './member.ts';

/** Maps a hash to the members in the order in which they are to be tried, `step` from 0. */
export type KeyedTable = (hash: number, step: number) => Member;

const pointsPerMember = 160;
const pointsMax = 40_000;

/** A ketama ring: each member has points in proportion to its weight; a member that leaves moves only its own keys. */
export function createRing(members: readonly Member[]): KeyedTable {
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  const scale = Math.min(pointsPerMember * members.length, pointsMax) / total;
  const points = members.flatMap((member) => {
    const count = Math.max(1, Math.round(member.weight * scale));
    return Array.from({ length: count }, (_, i) => ({ at: hash32(member.endpoint.instance, i + 1), member }));
  });
  points.sort((a, b) => a.at - b.at);
  return (hash, step) => {
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((points[middle] as { at: number }).at < hash) low = middle + 1;
      else high = middle;
    }
    let found = points[low % points.length] as { member: Member };
    // Each step goes on to the next other member.
    for (let passed = 0, i = low; passed < step && i < low + points.length; i++) {
      const next = points[(i + 1) % points.length] as { member: Member };
      if (next.member === found.member) continue;
      found = next;
      passed++;
    }
    return found.member;
  };
}

/** A prime, so that every step visits all slots. */
const slots = 16_381;

/** Maglev's table (Google, 2016): almost perfectly even, and few keys move when members change. */
export function createMaglev(members: readonly Member[]): KeyedTable {
  const table = new Int32Array(slots).fill(-1);
  const heaviest = Math.max(...members.map(({ weight }) => weight));
  const offsets = members.map(({ endpoint }) => hash32(endpoint.instance, 0x9e37) % slots);
  const steps = members.map(({ endpoint }) => (hash32(endpoint.instance, 0x79b9) % (slots - 1)) + 1);
  const turns = members.map(() => 0);
  const credits = members.map(() => 0);
  for (let filled = 0; filled < slots;) {
    for (let i = 0; i < members.length && filled < slots; i++) {
      // A lighter member lets some of its turns pass.
      credits[i] = (credits[i] as number) + (members[i] as Member).weight / heaviest;
      if ((credits[i] as number) < 1 - 1e-9) continue;
      credits[i] = (credits[i] as number) - 1;
      let slot = ((offsets[i] as number) + (turns[i] as number) * (steps[i] as number)) % slots;
      while (table[slot] !== -1) {
        turns[i] = (turns[i] as number) + 1;
        slot = ((offsets[i] as number) + (turns[i] as number) * (steps[i] as number)) % slots;
      }
      table[slot] = i;
      turns[i] = (turns[i] as number) + 1;
      filled++;
    }
  }
  return (hash, step) => members[((table[hash % slots] as number) + step) % members.length] as Member;
}
