import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';

/** Questions that one side of a link answers, by name. */
export type Answers = Readonly<Record<string, (input: unknown) => unknown>>;

type Message =
  | { readonly kind: 'ask'; readonly id: number; readonly name: string; readonly input: unknown }
  /** Like a question whose answer nobody waits for. */
  | { readonly kind: 'tell'; readonly name: string; readonly input: unknown }
  | { readonly kind: 'answer'; readonly id: number; readonly output?: unknown; readonly error?: string };

export interface LinkOptions {
  readonly clock: Clock;
  readonly send: (message: unknown) => void;
  readonly answers: Answers;
}

/** Questions and answers over the messages between a host and a worker of it. */
export interface Link {
  /** Fails with `unavailable` when the other side fails, has gone, or is silent for `timeoutMs` (default 5 s). */
  ask(name: string, input?: unknown, timeoutMs?: number): Promise<unknown>;
  /** Nothing says whether it arrived; a side that has gone has no use for it. */
  tell(name: string, input: unknown): void;
  /** A message of the other side. */
  received(message: unknown): void;
  /** The other side has gone. */
  close(): void;
}

interface Waiting {
  readonly answered: (message: Extract<Message, { kind: 'answer' }>) => void;
  readonly failed: (why: string) => void;
}

const silenceMs = 5_000;
const waitingMax = 100_000;

/** Makes the link; `received` has to be fed with what arrives. */
export function createLink({ clock, send, answers }: LinkOptions): Link {
  const waiting = new Map<number, Waiting>();
  let next = 0;
  let closed = false;

  const answer = async ({ id, name, input }: Extract<Message, { kind: 'ask' }>): Promise<void> => {
    try {
      const known = answers[name];
      if (known === undefined) throw new Error(`nobody answers "${name}"`);
      send({ kind: 'answer', id, output: await known(input) } satisfies Message);
    } catch (error) {
      send({ kind: 'answer', id, error: error instanceof Error ? error.message : String(error) } satisfies Message);
    }
  };
  const hear = async ({ name, input }: Extract<Message, { kind: 'tell' }>): Promise<void> => {
    try {
      await answers[name]?.(input);
    } catch {
      // Whoever told it does not listen.
    }
  };
  return {
    ask(name, input, timeoutMs = silenceMs) {
      if (closed || waiting.size >= waitingMax) return Promise.reject(new ProaError('unavailable', `"${name}" cannot be asked now`));
      const id = next++;
      return new Promise((resolve, reject) => {
        const settle = (): void => {
          waiting.delete(id);
          timer.cancel();
        };
        const failed = (why: string): void => {
          settle();
          reject(new ProaError('unavailable', `"${name}": ${why}`));
        };
        const timer = clock.timer(timeoutMs, () => failed('no answer in time'), true);
        waiting.set(id, {
          failed,
          answered({ output, error }) {
            if (error !== undefined) return failed(error);
            settle();
            resolve(output);
          },
        });
        send({ kind: 'ask', id, name, input } satisfies Message);
      });
    },
    tell(name, input) {
      if (!closed) send({ kind: 'tell', name, input } satisfies Message);
    },
    received(message) {
      const read = message as Message;
      if (read.kind === 'ask') void answer(read);
      else if (read.kind === 'tell') void hear(read);
      else waiting.get(read.id)?.answered(read);
    },
    close() {
      closed = true;
      for (const each of waiting.values()) each.failed('the other process has ended');
    },
  };
}
