import type { RunEvent } from '../run/console.ts';

/** Hears the events of a run and answers when every app of it is ready. Keeps the last lines for a message in case it never is. */
export class Readiness {
  readonly #missing: Set<string>;
  readonly #ports = new Map<string, number>();
  readonly #last: string[] = [];
  readonly #all: Promise<void>;
  #ready: () => void = () => {};

  constructor(apps: readonly string[]) {
    this.#missing = new Set(apps);
    this.#all = new Promise((resolve) => {
      this.#ready = resolve;
    });
  }

  /** Resolves when all apps are ready. */
  get all(): Promise<void> {
    return this.#all;
  }

  get missing(): readonly string[] {
    return [...this.#missing];
  }

  /** The last lines of the run, oldest first. */
  get lastLines(): readonly string[] {
    return this.#last;
  }

  /** The port of an app's HTTP API, once it listens. */
  httpPort(app: string): number | undefined {
    return this.#ports.get(app);
  }

  hear(event: RunEvent): void {
    if (event.type === 'listening') this.#ports.set(event.app, event.httpPort);
    if (event.type === 'ready') this.#missing.delete(event.app);
    if (event.type === 'output' || event.type === 'log') this.#keep(`${event.app ?? 'proa'} │ ${event.line}`);
    if (event.type === 'exited') this.#keep(`${event.app} exited`, ...event.lastErrors);
    if (this.#missing.size === 0) this.#ready();
  }

  #keep(...lines: readonly string[]): void {
    this.#last.push(...lines);
    this.#last.splice(0, Math.max(0, this.#last.length - 20));
  }
}
