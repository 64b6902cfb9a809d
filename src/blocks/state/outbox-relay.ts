import type { BlockContext } from '../../contracts/block-context.ts';
import type { Component, ComponentSet } from '../../contracts/component-set.ts';
import type { OutboxIntent } from '../../contracts/outbox.ts';
import type { Verdict } from '../../contracts/pubsub.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import { outboxOf, type OutboxSettings } from './outbox.ts';

/** Brings announced events to their topic once their transaction has succeeded; at least once. */
export interface OutboxRelay {
  /**
   * Looks for the intent's marker, for 10 s at most: the transaction may be under way. There: publishes, removes the marker, `ack`. Not there: `retry`, or `ack`
   * with `outboxDiscardWhenMissingState`. Never rejects; what goes wrong is logged and means `retry`.
   */
  deliver(intent: OutboxIntent): Promise<Verdict>;
  /** Ends the waits; their intents are `retry`. */
  close(): void;
}

/** Dapr's back-off: 500 ms, threefold up to 3 s, 10 s together. The first look comes at once: most transactions end before their intent arrives. */
const delaysMs = [500, 1_500, 3_000, 3_000, 2_000];

export function createOutboxRelay(context: BlockContext, stores: ComponentSet<'state'>): OutboxRelay {
  const { clock } = context.ports;
  const log = context.log.scoped('outbox');
  const closing = new CancelScope();
  const wait = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      if (closing.cancelled) return resolve();
      const timer = clock.timer(ms, () => {
        unlink();
        resolve();
      });
      const unlink = closing.onCancel(() => {
        timer.cancel();
        resolve();
      });
    });
  /** Repeats until the answer is true; false when time is over or the relay closes. A failing attempt is one more reason to try again. */
  const persist = async (attempt: () => Promise<boolean>): Promise<boolean> => {
    for (let tries = 0; !closing.cancelled; tries++) {
      try {
        if (await attempt()) return true;
      } catch (error) {
        log.debug('an attempt of the outbox failed', { error: String(error) });
      }
      const delayMs = delaysMs[tries];
      if (delayMs === undefined) return false;
      await wait(delayMs);
    }
    return false;
  };
  return {
    async deliver(intent) {
      const { id } = intent;
      const candidates = intent.stores.flatMap((name) => withOutbox(stores.get(name)) ?? []);
      if (candidates.length === 0) {
        log.error('no state store has the outbox that an outbox message is from', { component: intent.stores.join(', ') });
        return 'retry';
      }
      const fields = { component: intent.stores.join(', '), topic: candidates[0]?.target.topic ?? '' };
      let source: Component<'state'> | undefined;
      await persist(async () => (source = await holderOf(id, candidates)) !== undefined);
      if (source === undefined) {
        const discard = candidates.every(({ target }) => target.discardWhenMissing) && !closing.cancelled;
        log.error(
          `failed to publish outbox message: outbox state not found, ${discard ? 'discarding message' : 'rejecting for later processing'}`,
          fields,
        );
        return discard ? 'ack' : 'retry';
      }
      const { driver } = source;
      try {
        await intent.publish(source.name);
      } catch (error) {
        log.error('failed to publish outbox message, rejecting for later processing', { ...fields, error: String(error) });
        return 'retry';
      }
      const removed = await persist(async () => {
        await driver.delete({ key: id });
        return true;
      });
      // Without its marker gone the message may come again, never get lost.
      if (!removed) log.warn('the marker of a published outbox message was not removed', fields);
      return removed ? 'ack' : 'retry';
    },
    close: () => closing.cancel(undefined),
  };
}

interface Candidate {
  readonly component: Component<'state'>;
  readonly target: OutboxSettings;
}

function withOutbox(component: Component<'state'> | undefined): Candidate | undefined {
  const target = component && outboxOf(component);
  return component === undefined || target === undefined ? undefined : { component, target };
}

async function holderOf(id: string, candidates: readonly Candidate[]): Promise<Component<'state'> | undefined> {
  for (const { component } of candidates) if ((await component.driver.get({ key: id })) !== undefined) return component;
  return undefined;
}
