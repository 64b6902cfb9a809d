import type { ActivityAnswer, ActivityOptions } from '../../contracts/workflow.ts';
import { ProaError } from '../../kernel/errors.ts';
import { beginningOf } from '../../kernel/flat-text.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';

const detailsCharsMax = 512;

/** One attempt of an activity against its timeouts. A failed attempt's late answer is ignored, and its next heartbeat fails. */
export class AttemptWatch {
  readonly #clock: Clock;
  readonly #options: ActivityOptions;
  readonly #timers: (Timer | undefined)[] = [];
  #fail: ((answer: ActivityAnswer) => void) | undefined;
  #over = false;
  #last: string | undefined;

  constructor(clock: Clock, options: ActivityOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** The answer, or a failure that says which timeout passed. */
  race(attempt: Promise<ActivityAnswer>): Promise<ActivityAnswer> {
    const { attemptTimeoutMs, heartbeatTimeoutMs } = this.#options;
    if (attemptTimeoutMs === undefined && heartbeatTimeoutMs === undefined) return attempt;
    return new Promise((resolve, reject) => {
      this.#fail = resolve;
      if (attemptTimeoutMs !== undefined) {
        this.#timers[0] = this.#clock.timer(attemptTimeoutMs, () =>
          this.#timeout('ActivityTimeout', `no result within ${attemptTimeoutMs} ms`),
        );
      }
      this.#beat();
      attempt.then(resolve, reject);
    });
  }

  async heartbeat(details?: string): Promise<void> {
    if (this.#over) throw new ProaError('workflow.task-lost', 'the activity timed out, or was given to another worker');
    if (details !== undefined) this.#last = beginningOf(details, detailsCharsMax);
    this.#beat();
  }

  end(): void {
    this.#over = true;
    for (const timer of this.#timers) timer?.cancel();
  }

  #beat(): void {
    const { heartbeatTimeoutMs } = this.#options;
    if (heartbeatTimeoutMs === undefined) return;
    this.#timers[1]?.cancel();
    this.#timers[1] = this.#clock.timer(heartbeatTimeoutMs, () =>
      this.#timeout('HeartbeatTimeout', `no heartbeat within ${heartbeatTimeoutMs} ms${this.#said()}`),
    );
  }

  #said(): string {
    return this.#last === undefined ? '' : `; the last one said ${JSON.stringify(this.#last)}`;
  }

  #timeout(errorType: string, errorMessage: string): void {
    this.#over = true;
    this.#fail?.({ failure: { errorType, errorMessage } });
  }
}
