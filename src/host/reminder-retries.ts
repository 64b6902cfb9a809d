import type { ReminderRetries } from '../blocks/actors/index.ts';
import { constantBackoff, exponentialBackoff } from '../filters/retry/backoff.ts';
import { failureOfError } from '../filters/retry/failure.ts';
import { createCall } from '../kernel/call.ts';
import type { Random } from '../kernel/ports.ts';
import type { PolicyBook } from '../mesh/policy/book.ts';
import type { RetrySettings } from '../mesh/policy/model.ts';
import { retryRule } from '../mesh/policy/retry-rules.ts';

/** What `DaprBuiltInActorReminderRetries` of the current policies says; undefined where no Resiliency names it. */
export function reminderRetriesOf(book: PolicyBook, random: Random): () => ReminderRetries | undefined {
  let of: RetrySettings | undefined;
  let made: ReminderRetries | undefined;
  return () => {
    const settings = book.epoch.document.builtIn.reminderRetries;
    if (settings !== of) {
      of = settings;
      made = settings && retriesBy(settings, random);
    }
    return made;
  };
}

function retriesBy(settings: RetrySettings, random: Random): ReminderRetries {
  const { backoff, retriesMax, elapsedMaxMs } = settings;
  const delayMs = backoff.kind === 'constant' ? constantBackoff(backoff.delayMs) : exponentialBackoff({ random, ...backoff });
  const matches = retryRule(settings);
  const call = createCall({ block: 'actors', name: 'remind', idempotent: false }, undefined);
  return {
    afterMs(error, { failures, sinceMs }) {
      if (failures > retriesMax || !matches(failureOfError(error, true), call)) return undefined;
      const wait = delayMs(failures);
      return sinceMs + wait > elapsedMaxMs ? undefined : wait;
    },
  };
}
