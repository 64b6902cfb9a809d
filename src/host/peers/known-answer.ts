import type { InvokeResponse } from '../../contracts/app-channel.ts';
import type { Incoming } from '../../wire/mux/stream.ts';
import { readAnswer } from './call-fields.ts';

/** What the answers of one form have in common, judged at the first of them: they differ in the values of a few headers. */
class KnownAnswer {
  readonly status: number;
  #fields: readonly string[];
  #headers: readonly string[];

  constructor(status: number, fields: readonly string[], headers: readonly string[]) {
    this.status = status;
    this.#fields = fields;
    this.#headers = headers;
  }

  /** The headers of the answer; the same list for the same fields, so that what is made of it can be found again. */
  headers(fields: readonly string[]): readonly string[] {
    if (fields === this.#fields) return this.#headers;
    this.#fields = fields;
    this.#headers = fields.slice(1);
    return this.#headers;
  }
}

/** Reads an answer. Throws the error that the peer's runtime met, and `peer.protocol` for what is no answer. */
export function answerOf({ fields, form, body }: Incoming): InvokeResponse {
  const known = form?.known;
  if (known instanceof KnownAnswer) return { status: known.status, headers: known.headers(fields), body };
  const answer = readAnswer(fields, body);
  const plain = fields.length === answer.headers.length + 1;
  if (form?.repeats === true && plain && form.varying.every((index) => index > 0 && index % 2 === 0))
    form.known = new KnownAnswer(answer.status, fields, answer.headers);
  return answer;
}
