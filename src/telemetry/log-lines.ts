import type { LogFields, Logger, LogValue } from '../kernel/log.ts';
import { logFields } from '../kernel/names.ts';
import type { Clock } from '../kernel/ports.ts';
import { createRepeatedLines } from './repeated-lines.ts';

export type LogFormat = 'json' | 'logfmt' | 'human';
export type LogLevel = 'debug' | 'info' | 'warning' | 'error' | 'fatal';

const order: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warning: 2, error: 3, fatal: 4 };

export interface LogOptions {
  readonly clock: Clock;
  readonly format: LogFormat;
  readonly level: LogLevel;
  readonly appId: string;
  /** The reader names the app and knows when: lines for people hold the message only, and the level when it is not `info`. */
  readonly embedded?: boolean;
  /** The host's name. */
  readonly instance: string;
  readonly version: string;
  /** Takes whole lines, with their newline. */
  readonly write: (line: string) => void;
}

/**
 * A logger that prints one escaped line per event (for people lists stand below it), in Dapr's field order (reference 11.1): JSON, logfmt, or short lines for people.
 * Warnings and errors that repeat word for word are printed three times, then once in ten seconds with their number (`repeated`).
 */
export function createLogger(options: LogOptions): Logger {
  return scoped(options, 'proa.runtime', createRepeatedLines(options.clock));
}

function scoped(options: LogOptions, scope: string, repeated: ReturnType<typeof createRepeatedLines>): Logger {
  const least = order[options.level];
  const print = (event: Event): void => options.write(printers[options.format](options, event));
  const at = (level: LogLevel) => {
    if (order[level] < least) return () => {};
    if (order[level] < order.warning) return (message: string, fields?: LogFields) => print({ level, scope, message, fields });
    return (message: string, fields?: LogFields) => {
      const event = { level, scope, message, fields };
      repeated(JSON.stringify(event), (count) =>
        print(count === undefined ? event : { ...event, fields: { ...fields, [logFields.repeated]: count } }),
      );
    };
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warning'),
    error: at('error'),
    scoped: (name) => scoped(options, name, repeated),
  };
}

interface Event {
  readonly level: LogLevel;
  readonly scope: string;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

const printers: Readonly<Record<LogFormat, (options: LogOptions, event: Event) => string>> = {
  json(options, event) {
    const line: Record<string, unknown> = {};
    for (const [name, value] of standardFields(options, event)) line[name] = value;
    for (const [name, value] of ownFields(event)) line[name] ??= value;
    return `${JSON.stringify(line)}\n`;
  },
  logfmt(options, event) {
    const pairs = [...standardFields(options, event), ...ownFields(event)];
    return `${pairs.map(([name, value]) => `${name}=${logfmtValue(value)}`).join(' ')}\n`;
  },
  human(options, event) {
    const own = ownFields(event);
    const fields = own.flatMap(([name, value]) => (isList(value) ? [] : [` ${name}=${logfmtValue(value)}`])).join('');
    const below = own.flatMap(([, value]) => (isList(value) ? value : [])).map((line) => `    ${printable(line)}`.trimEnd());
    const text = [`${printable(event.message)}${fields}`, ...below, ''].join('\n');
    if (options.embedded === true) return `${event.level === 'info' ? '' : `${event.level}: `}${text}`;
    const time = new Date(options.clock.now()).toISOString().slice(11, 23);
    return `${time} ${event.level.toUpperCase().padEnd(7)} ${options.appId} ${text}`;
  },
};

function standardFields(options: LogOptions, event: Event): [string, string][] {
  return [
    [logFields.time, new Date(options.clock.now()).toISOString()],
    [logFields.level, event.level],
    [logFields.message, event.message],
    [logFields.appId, options.appId],
    [logFields.instance, options.instance],
    [logFields.scope, event.scope],
    [logFields.type, 'log'],
    [logFields.version, options.version],
  ];
}

function ownFields(event: Event): [string, LogValue][] {
  return Object.entries(event.fields ?? {}).filter((pair): pair is [string, LogValue] => pair[1] !== undefined);
}

function isList(value: LogValue): value is readonly string[] {
  return typeof value === 'object';
}

function logfmtValue(value: LogValue): string {
  const text = isList(value) ? value.join('\n') : String(value);
  return /^[\w.:/@+-]+$/.test(text) ? text : JSON.stringify(text).replaceAll('\u007f', '\\u007f');
}

// CR, LF and escape sequences of a name must not look like another line or colour (threat T28).
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
