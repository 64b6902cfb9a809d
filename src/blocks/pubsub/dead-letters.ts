import type { Component } from '../../contracts/component-set.ts';
import type { IncomingMessage, OutgoingMessage } from '../../contracts/pubsub.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import type { Caller } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import { logFields } from '../../kernel/names.ts';
import type { Clock } from '../../kernel/ports.ts';
import { contentTypeOf } from './incoming-event.ts';
import type { Publisher } from './publisher.ts';

/** Dapr's limit for publishing a dead letter, whatever the time limits around the delivery were. */
const timeLimitMs = 30_000;

export interface DeadLetters {
  /** Undefined: the subscription has none. */
  readonly topic: string | undefined;
  /** Publishes the original bytes; false (and a log line) when that failed or took longer than 30 s. */
  send(messages: readonly IncomingMessage[]): Promise<boolean>;
}

export interface DeadLetterOptions {
  readonly topic: string | undefined;
  readonly component: Component<'pubsub'>;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly log: Logger;
  readonly caller: Caller;
}

/** The dead-letter topic of a subscription, on the same component. Publishing scopes and outbound policies apply. */
export function createDeadLetters(options: DeadLetterOptions): DeadLetters {
  const { topic, component, publisher, clock, log, caller } = options;
  if (topic === undefined || topic === '') return { topic: undefined, send: () => Promise.resolve(false) };
  return {
    topic,
    async send(messages) {
      const outgoing: OutgoingMessage[] = messages.map((message) => {
        const contentType = contentTypeOf(message);
        const { data, metadata } = message;
        return { topic, data, metadata, ...(contentType === undefined ? {} : { contentType }) };
      });
      try {
        await within(clock, (cancel) => publisher.forward(component, outgoing, { caller, cancel, deadlineMs: clock.mono() + timeLimitMs }));
        return true;
      } catch (error) {
        const from = messages[0]?.topic ?? '';
        log.error(`error sending message to dead letter, origin topic: ${from} dead letter topic ${topic}`, {
          [logFields.error]: String(error),
        });
        return false;
      }
    },
  };
}

function within(clock: Clock, work: (cancel: CancelScope) => Promise<void>): Promise<void> {
  const cancel = new CancelScope();
  return new Promise((resolve, reject) => {
    const timer = clock.timer(timeLimitMs, () => {
      const late = new ProaError('deadline-exceeded', `the dead letter was not accepted within ${timeLimitMs / 1000} s`);
      cancel.cancel(late);
      reject(late);
    });
    work(cancel)
      .then(resolve, reject)
      .finally(() => timer.cancel());
  });
}
