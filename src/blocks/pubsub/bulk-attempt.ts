import type { Component } from '../../contracts/component-set.ts';
import type { OutgoingMessage } from '../../contracts/pubsub.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { FailedEntry } from './index.ts';

type Broker = Component<'pubsub'>;

/** Entries that a broker without bulk publishing takes at once. */
const parallelMax = 100;

/** What is sent in one attempt of a bulk publish; attempts that follow carry only what failed. */
export interface BulkAttempt {
  pending: readonly { readonly entryId: string; readonly message: OutgoingMessage }[];
  failures: readonly FailedEntry[];
}

/** Sends what is pending; afterwards `pending` and `failures` hold what failed. Fails with the first entry's error. */
export async function attemptBulk(component: Broker, attempt: BulkAttempt): Promise<void> {
  const { driver } = component;
  const sent = attempt.pending;
  const messages = sent.map(({ message }) => message);
  const errors = driver.publishMany === undefined ? await publishEach(component, messages) : await driver.publishMany(messages);
  attempt.pending = sent.filter((_, i) => errors[i] !== undefined);
  attempt.failures = sent.flatMap(({ entryId }, i) => (errors[i] === undefined ? [] : [{ entryId, error: (errors[i] as Error).message }]));
  const first = errors.find((error) => error !== undefined);
  if (first !== undefined) throw ProaError.from(first, 'pubsub.publish');
}

async function publishEach({ driver }: Broker, messages: readonly OutgoingMessage[]): Promise<(Error | undefined)[]> {
  const errors: (Error | undefined)[] = messages.map(() => undefined);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < messages.length; i = next++) {
      try {
        await driver.publish(messages[i] as OutgoingMessage);
      } catch (error) {
        errors[i] = ProaError.from(error, 'pubsub.publish');
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallelMax, messages.length) }, worker));
  return errors;
}
