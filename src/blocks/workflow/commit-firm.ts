import type { Commit, CommitResult } from '../../contracts/engine.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import { isProaError, type ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { Core } from './core.ts';

type Firm = Exclude<CommitResult, { readonly status: 'unknown' }>;

const delayMsMin = 50;
const delayMsMax = 2_000;

/** Waits on the port's clock. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.timer(ms, resolve));
}

/** 50 ms to 2 s, doubling, with a random half. */
export function backoffMs(random: Core['random'], tries: number): number {
  const most = Math.min(delayMsMax, delayMsMin * 2 ** Math.min(tries, 6));
  return most / 2 + (random.u32() / 2 ** 32) * (most / 2);
}

/**
 * Commits what rewrites `mark` (the record of an instance) under the condition of its version, for as long as `still` says so. What became of a commit whose answer was
 * lost shows in that key: it holds the bytes of this commit, or it does not. No ids are spent on it: an engine keeps each for ten minutes.
 */
export async function commitFirm(
  core: Core,
  commit: Commit,
  { mark, still }: { readonly mark: Key; readonly still: () => boolean },
): Promise<Firm> {
  const put = commit.put?.find(({ key }) => key === mark);
  for (let tries = 0; ; tries++) {
    let cause: unknown;
    try {
      const result = await core.engine.commit(commit);
      if (result.status === 'done' || (result.status === 'conflict' && tries === 0)) return result;
      if (result.status === 'unknown') cause = result.cause;
      const entry = await core.engine.get(mark);
      if (put !== undefined && entry !== undefined && Buffer.compare(entry.value, put.value) === 0) {
        const versions = (commit.put ?? []).map(({ key }) => (key === mark ? entry.version : 0));
        return { status: 'done', versions, sequences: [] };
      }
      if (result.status === 'conflict') return result;
    } catch (error) {
      if (!isProaError(error) || !mayPass(error) || !still()) throw error;
      cause = error;
    }
    if (!still()) throw outcomeUnknown('a workflow may or may not have gone on', cause);
    await pause(core.clock, backoffMs(core.random, tries));
  }
}

// A full disk is not the caller's to repeat, but whoever is in the midst of something waits for room: giving it up would execute activities again.
function mayPass({ code, spec }: ProaError): boolean {
  return spec.retry !== 'never' || code === 'engine.read-only';
}
