import type { RestartPolicy } from '../../host/config/run-model.ts';
import type { Child, Ports, Timer } from '../../kernel/ports.ts';
import { lineSplitter } from './lines.ts';

export interface AppExit {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** It could not be started. */
  readonly error?: Error;
  /** The same for people. */
  readonly why?: string;
}

export interface AppProcessOptions {
  readonly ports: Ports;
  readonly name: string;
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly restart: RestartPolicy;
  line(stream: 'stdout' | 'stderr', text: string): void;
  started(pid: number): void;
  /** `restartInMs` is absent when it stays down. `lastErrors`: the last lines of stderr. */
  ended(exit: AppExit, more: { readonly lastErrors: readonly string[]; readonly restartInMs?: number }): void;
}

/** First pause before a restart, the longest one, and the time up after which counting begins anew. */
export const restartTimes = { firstMs: 500, maxMs: 30_000, soundAfterMs: 60_000 } as const;
const errorLinesKept = 5;
const groupPollMs = 20;

/** The exit code that a shell would report: the program's own, 128 + signal, 126/127 when it could not be started. */
export function exitCodeOf({ code, signal, error }: AppExit): number {
  if (error !== undefined) return (error as { code?: string }).code === 'ENOENT' ? 127 : 126;
  if (code !== undefined) return code;
  const numbers: Readonly<Record<string, number>> = {
    SIGHUP: 1,
    SIGINT: 2,
    SIGQUIT: 3,
    SIGILL: 4,
    SIGABRT: 6,
    SIGKILL: 9,
    SIGSEGV: 11,
    SIGPIPE: 13,
    SIGTERM: 15,
  };
  return 128 + (numbers[signal ?? ''] ?? 0);
}

/** Keeps one program running by its restart policy, in a process group of its own, until stopped. `done` gives its last exit. */
export class AppProcess {
  readonly #options: AppProcessOptions;
  readonly done: Promise<AppExit>;
  #finish: (exit: AppExit) => void = () => {};
  #child: Child | undefined;
  #pause: Timer | undefined;
  #failures = 0;
  #stopping = false;
  #lastExit: AppExit = { code: 0, signal: undefined };

  constructor(options: AppProcessOptions) {
    this.#options = options;
    this.done = new Promise((resolve) => (this.#finish = resolve));
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    const options = this.#options;
    const { ports, command } = options;
    const lastErrors: string[] = [];
    const streams = {
      stdout: lineSplitter((text) => options.line('stdout', text)),
      stderr: lineSplitter((text) => {
        lastErrors.push(text);
        if (lastErrors.length > errorLinesKept) lastErrors.shift();
        options.line('stderr', text);
      }),
    };
    const beganMs = ports.clock.mono();
    let chunks = 0;
    const child = ports.process.spawn({
      command: command[0] as string,
      args: command.slice(1),
      cwd: options.cwd,
      env: options.env,
      output(stream, chunk) {
        chunks += 1;
        streams[stream].write(chunk);
      },
    });
    this.#child = child;
    if (child.pid > 0) options.started(child.pid);
    void child.exit.then(async (exit) => {
      const upMs = ports.clock.mono() - beganMs;
      await this.#groupEnd(child);
      await this.#quiet(() => chunks);
      streams.stdout.end();
      streams.stderr.end();
      const failure = exit.error && { error: exit.error, why: await this.#why(exit.error) };
      this.#ended({ code: exit.code, signal: exit.signal, ...failure }, lastErrors, upMs);
    });
  }

  // The system speaks of the command also where its folder is what is missing.
  async #why(error: Error): Promise<string> {
    const { ports, command, cwd } = this.#options;
    const { code } = error as { readonly code?: string };
    if (code === 'EACCES') return `"${command[0]}" is not executable`;
    if (code !== 'ENOENT') return error.message;
    return (await ports.disk.stat(cwd)) === undefined ? `its folder ${cwd} does not exist` : `there is no command "${command[0]}"`;
  }

  /** What the program left behind goes with it: at once after a crash, within the grace of `stop` otherwise (a shell may end before its child). */
  async #groupEnd(child: Child): Promise<void> {
    if (!this.#stopping) child.kill('SIGKILL');
    while (await child.groupAlive()) await this.#sleep(groupPollMs);
  }

  /** The last output may arrive after the end: waits until nothing comes any more, at most a second. */
  async #quiet(chunks: () => number): Promise<void> {
    for (let round = 0, seen = -1; round < 50 && seen !== chunks(); round++) {
      seen = chunks();
      await this.#sleep(groupPollMs);
    }
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#options.ports.clock.timer(delayMs, resolve));
  }

  /** Asks the whole group to end and kills it after `graceMs`. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#pause?.cancel();
    if (this.#child === undefined) {
      this.#finish(this.#lastExit);
    } else {
      this.#child.kill('SIGTERM');
      const timer = this.#options.ports.clock.timer(graceMs, () => this.kill());
      await this.done;
      timer.cancel();
    }
    await this.done;
  }

  /** Ends the group at once. */
  kill(): void {
    this.#stopping = true;
    this.#pause?.cancel();
    if (this.#child === undefined) this.#finish(this.#lastExit);
    else this.#child.kill('SIGKILL');
  }

  #ended(exit: AppExit, lastErrors: readonly string[], upMs: number): void {
    this.#child = undefined;
    this.#lastExit = exit;
    const options = this.#options;
    const { restart, ports } = options;
    const failed = exit.code !== 0;
    // What cannot even be started will not start by repetition.
    const again = !this.#stopping && exit.error === undefined && (restart === 'always' || (restart === 'on-failure' && failed));
    if (!again) {
      options.ended(exit, { lastErrors });
      this.#finish(exit);
      return;
    }
    this.#failures = upMs > restartTimes.soundAfterMs ? 0 : this.#failures;
    const restartInMs = Math.min(restartTimes.maxMs, restartTimes.firstMs * 2 ** this.#failures);
    this.#failures += 1;
    options.ended(exit, { lastErrors, restartInMs });
    this.#pause = ports.clock.timer(restartInMs, () => this.start());
  }
}
