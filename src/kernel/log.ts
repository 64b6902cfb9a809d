/** Structured logging. Field names stand in `kernel/names`; values are printed escaped, one event per line save for lists. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The same logger under another scope (the part of the runtime that speaks). */
  scoped(scope: string): Logger;
}

/** A list is text of several lines: people read them below the line of the event, machines as a list. */
export type LogValue = string | number | boolean | readonly string[];
export type LogFields = Readonly<Record<string, LogValue | undefined>>;

function drop(): void {}

/** A logger that writes nothing; tests and throw-away runs use it. */
export const silentLogger: Logger = { debug: drop, info: drop, warn: drop, error: drop, scoped: () => silentLogger };
