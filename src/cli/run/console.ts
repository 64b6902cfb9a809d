import type { Clock } from '../../kernel/ports.ts';
import { harmless, type Output, type Style } from '../output.ts';

const colors: readonly Style[] = ['cyan', 'magenta', 'yellow', 'blue', 'green'];

/** What happens during a run, in stable NDJSON with `--json`, else as lines behind a prefix per app. */
export type RunEvent =
  | {
      readonly type: 'listening';
      readonly app: string;
      readonly httpPort: number;
      readonly grpcPort: number;
      readonly metricsPort?: number;
    }
  | { readonly type: 'started'; readonly app: string; readonly pid: number; readonly command: readonly string[] }
  | { readonly type: 'port'; readonly app: string; readonly port: number }
  | { readonly type: 'ready'; readonly app: string }
  | { readonly type: 'output'; readonly app: string; readonly stream: 'stdout' | 'stderr'; readonly line: string }
  | { readonly type: 'log'; readonly app?: string; readonly level: string; readonly line: string }
  | { readonly type: 'problem'; readonly app: string; readonly message: string }
  | {
      readonly type: 'exited';
      readonly app: string;
      readonly code?: number;
      readonly signal?: string;
      readonly error?: string;
      readonly lastErrors: readonly string[];
      readonly restartInMs?: number;
    }
  | { readonly type: 'stopping'; readonly reason: string }
  | { readonly type: 'stopped'; readonly exitCode: number };

/** Prints events. */
export class RunConsole {
  readonly #output: Output;
  readonly #clock: Clock;
  readonly #width: number;
  readonly #colors: ReadonlyMap<string, Style>;
  #stopping = false;

  constructor(output: Output, clock: Clock, names: readonly string[]) {
    this.#output = output;
    this.#clock = clock;
    this.#width = Math.max(4, ...names.map(({ length }) => length));
    this.#colors = new Map(names.map((name, index) => [name, colors[index % colors.length] as Style]));
  }

  emit(event: RunEvent): void {
    if (this.#output.json) {
      this.#output.value({ time: new Date(this.#clock.now()).toISOString(), ...event });
      return;
    }
    if (event.type === 'output') {
      if (!this.#output.quiet || event.stream === 'stderr') this.#output.line(this.#prefix(event.app) + harmless(event.line));
    } else if (!this.#output.quiet) {
      for (const line of this.#talk(event)) this.#output.line(this.#prefix('app' in event ? (event.app ?? 'proa') : 'proa') + line);
    }
  }

  #prefix(name: string): string {
    return this.#output.style(this.#colors.get(name) ?? 'dim', `${name.padEnd(this.#width)} │ `);
  }

  #talk(event: Exclude<RunEvent, { type: 'output' }>): string[] {
    const { style } = { style: this.#output.style.bind(this.#output) };
    switch (event.type) {
      case 'listening':
        return [style('dim', `APIs at http://localhost:${event.httpPort} and gRPC localhost:${event.grpcPort}`)];
      case 'started':
        return [style('dim', `started (pid ${event.pid})`)];
      case 'port':
        return [style('dim', `listens on port ${event.port}`)];
      case 'ready':
        return [style('green', 'ready')];
      case 'log':
      case 'problem':
        return ('line' in event ? event.line : event.message).split('\n').map(harmless);
      case 'exited':
        return this.#exited(event);
      case 'stopping':
        this.#stopping = true;
        return [style('dim', `stopping (${event.reason}); press Ctrl-C again to kill`)];
      case 'stopped':
        return [style('dim', 'stopped')];
    }
  }

  #exited(event: Extract<RunEvent, { type: 'exited' }>): string[] {
    const { code, signal, error, lastErrors, restartInMs } = event;
    const how = error ?? (signal === undefined ? `exited with code ${code ?? 'unknown'}` : `ended by ${signal}`);
    const next = restartInMs === undefined ? '' : `; starts again in ${restartInMs} ms`;
    if (code === 0 || (this.#stopping && signal === 'SIGTERM')) return [this.#output.style('dim', `${how}${next}`)];
    const last = lastErrors.length === 0 ? [] : ['last lines of stderr:', ...lastErrors.map((line) => `  ${harmless(line)}`)];
    return [this.#output.style('red', `${how}${next}`), ...last];
  }
}
