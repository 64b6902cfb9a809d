/** Structured logging. Field names stand in `kernel/names`; values are printed escaped, one event per line. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same logger under another scope (the part of the runtime that speaks). */
  scoped(scope: string): Logger;
}

export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

function drop(): void {}

/** A logger that writes nothing; tests and throw-away runs use it. */
export const silentLogger: Logger = { debug: drop, info: drop, warn: drop, error: drop, scoped: () => silentLogger };
