/** A text that whatever prints it shows as `***`: logs, errors, JSON, templates, `console` (threat T26). Only `reveal` gives it away. */
export interface Secret {
  reveal(): string;
  toString(): string;
  toJSON(): string;
}

const shown = (): string => '***';

/** Hides a text from the moment on at which it is known to be secret. */
export function createSecret(value: string): Secret {
  const secret = {
    reveal: () => value,
    toString: shown,
    toJSON: shown,
    [Symbol.toPrimitive]: shown,
    [Symbol.for('nodejs.util.inspect.custom')]: shown,
  };
  return Object.freeze(secret);
}

/** The text itself, for the one place that needs it. */
export function reveal(text: string | Secret): string {
  return typeof text === 'string' ? text : text.reveal();
}
