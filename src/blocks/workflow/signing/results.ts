import type { HistoryEvent } from '../../../contracts/workflow.ts';
import { logFields } from '../../../kernel/names.ts';
import { backoffMs, pause } from '../commit-firm.ts';
import type { Core } from '../core.ts';
import { type LiveInstance, readPast } from '../live-instance.ts';
import type { Letter } from '../mail.ts';
import { attest, type Executed, isResult, type Result } from './attest.ts';
import type { Started } from './standing.ts';

/**
 * The event of a result, attested where histories are signed. Waits while the certificate is not valid; undefined when the runtime ends before: whoever takes the shard
 * executes the operation again.
 */
export async function attestedResult(core: Core, make: () => Result, executed: Executed): Promise<Result | undefined> {
  const { signing, clock, random, log } = core;
  if (signing === undefined) return make();
  for (let tries = 0; ; tries++) {
    const event = make();
    const { validFromMs, validToMs } = signing.signer.current();
    if (event.timeMs >= validFromMs && event.timeMs <= validToMs) return attestedBy(core, event, executed);
    if (core.closed) return undefined;
    log.warn('a result waits for a valid certificate to attest it', { [logFields.workflowInstance]: executed.parentInstanceId });
    await pause(clock, backoffMs(random, tries));
  }
}

/** Letters of a turn: what is told to the parent is attested. `news` are the events of the turn. */
export async function attestedLetters(
  core: Core,
  live: LiveInstance,
  { letters, news }: { readonly letters: readonly Letter[]; readonly news: readonly HistoryEvent[] },
): Promise<readonly Letter[]> {
  const { signing } = core;
  if (signing === undefined || !letters.some(({ event }) => isResult(event))) return letters;
  const started = [...(await readPast(core, live)), ...news].find((event) => event.type === 'executionStarted');
  if (started?.type !== 'executionStarted' || started.parent === undefined) return letters;
  const executed = executedOf(started);
  return letters.map((letter) => (isResult(letter.event) ? { ...letter, event: attestedBy(core, letter.event, executed) } : letter));
}

/** The event with the word of this app where histories are signed, and counted. */
export function attestedBy({ signing, metrics }: Core, event: Result, executed: Executed): Result {
  if (signing === undefined) return event;
  metrics.attested(executed.activityName === undefined ? 'child' : 'activity');
  return attest(signing, event, executed);
}

/** A child as what its parent began. */
export function executedOf({ parent, created, input }: Started): Executed {
  return {
    parentInstanceId: parent?.instanceId ?? '',
    taskScheduledId: parent?.taskScheduledId ?? -1,
    input: created === undefined ? input : created.input,
  };
}
