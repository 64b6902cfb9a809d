import { hintOf } from '../kernel/hint-detail.ts';
import { asJson } from './as-json.ts';
import { harmless } from './output.ts';

/** What the error document of a runtime says. */
export interface Refusal {
  /** Undefined: the answer is no error document. */
  readonly errorCode: string | undefined;
  readonly message: string;
  readonly hint: string | undefined;
}

/** Reads an error document; of any other text it is the message. */
export function readRefusal(text: string): Refusal {
  const body = asJson(text);
  const { errorCode, message, details } = (typeof body === 'object' && body !== null ? body : {}) as Readonly<Record<string, unknown>>;
  const hint = hintOf(details);
  return {
    errorCode: typeof errorCode === 'string' ? errorCode : undefined,
    message: typeof message === 'string' ? message : text.trim() || 'no reason was given',
    hint: hint === undefined ? undefined : harmless(hint),
  };
}
