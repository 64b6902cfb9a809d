import type { ProcessPort } from '../kernel/ports.ts';

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const;
export type Style = keyof typeof codes;

export interface OutputOptions {
  readonly json: boolean;
  readonly noColor: boolean;
  readonly quiet: boolean;
}

/** Whether a stream gets colours: flags, then NO_COLOR and FORCE_COLOR, then whether a terminal that knows colours is there. */
export function wantsColor(system: ProcessPort, stream: 'stdout' | 'stderr', noColor: boolean): boolean {
  if (noColor || system.env('NO_COLOR')) return false;
  const forced = system.env('FORCE_COLOR');
  if (forced !== undefined && forced !== '') return forced !== '0';
  return system.isTerminal(stream) && system.env('TERM') !== 'dumb';
}

/** Where commands write: data to stdout, talk to stderr. With `json`, data is JSON and talk is silent but for errors. */
export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly #process: ProcessPort;
  readonly #color: { readonly stdout: boolean; readonly stderr: boolean };

  constructor(system: ProcessPort, options: OutputOptions) {
    this.#process = system;
    this.json = options.json;
    this.quiet = options.quiet;
    const { noColor } = options;
    this.#color = { stdout: wantsColor(system, 'stdout', noColor), stderr: wantsColor(system, 'stderr', noColor) };
  }

  style(style: Style, text: string, stream: 'stdout' | 'stderr' = 'stdout'): string {
    return this.#color[stream] ? `\u001b[${codes[style]}m${text}\u001b[0m` : text;
  }

  /** A line of data. */
  line(text = ''): void {
    this.#process.writeOut(`${text}\n`);
  }

  /** Data as it is. */
  raw(text: string): void {
    this.#process.writeOut(text);
  }

  /** One JSON value on its own line; a stream of them is NDJSON. */
  value(value: unknown): void {
    this.#process.writeOut(`${JSON.stringify(value)}\n`);
  }

  /** Talk for people. */
  say(text: string): void {
    if (!this.quiet && !this.json) this.#process.writeErr(`${text}\n`);
  }

  warn(text: string): void {
    if (!this.quiet) this.#process.writeErr(`${this.style('yellow', 'warning', 'stderr')}: ${text}\n`);
  }

  error(text: string, hint?: string): void {
    if (this.json) this.#process.writeErr(`${JSON.stringify({ error: text, ...(hint !== undefined && { hint }) })}\n`);
    else this.#process.writeErr(`${this.style('red', 'error', 'stderr')}: ${text}\n${hint === undefined ? '' : `  help: ${hint}\n`}`);
  }

  /** Problems that are rendered with a place and a head of their own. */
  problems(text: string): void {
    this.#process.writeErr(`${text}\n`);
  }

  /** Aligned columns; the first row is the head. */
  table(rows: readonly (readonly string[])[]): void {
    const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
    for (const [index, row] of rows.entries()) {
      const text = row
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join('  ')
        .trimEnd();
      this.line(index === 0 ? this.style('dim', text) : text);
    }
  }
}

/** Makes text of others harmless for a terminal: control characters but tab are shown as escapes, colours (SGR) are kept. */
export function harmless(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  return text.replace(/\u001b\[[\d;]*m|[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, (found) => {
    return found.length > 1 ? found : `\\x${found.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
