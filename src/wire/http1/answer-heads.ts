import { KnownHeads } from './known-heads.ts';
import type { OutgoingFraming } from './outgoing-body.ts';
import { chunkedEnd, HeaderWriter, lengthEnd, statusLine } from './write-head.ts';

/** How the end of an answer's body is told; undefined: nothing is said, because the answer can have none. */
export type AnswerFraming = OutgoingFraming | undefined;

/** Writes the heads of a server's answers: status line, headers and date. What one answer has alone goes behind them, and then `framingEnd`. */
export class AnswerHeads {
  readonly #dates: { readonly date: string };
  readonly #writer = new HeaderWriter();
  readonly #known = new KnownHeads((headers, status: number, date) => {
    const lines = statusLine(status) + this.#writer.lines(headers);
    return this.#writer.hasDate ? lines : `${lines}date: ${date}\r\n`;
  });

  /** `dates` has the current value of the Date header. */
  constructor(dates: { readonly date: string }) {
    this.#dates = dates;
  }

  /** The first lines of a head. A header or status that is not valid is an error, as for `HeaderWriter` and `statusLine`. */
  write(status: number, headers: readonly string[]): string {
    return this.#known.of(headers, status, this.#dates.date);
  }

  /** A header of one answer alone, checked. */
  line(name: string, value: string): string {
    return this.#writer.line(name, value);
  }
}

/** The last lines of a head: how its body is framed, and the empty line. */
export function framingEnd(framing: AnswerFraming): string {
  if (typeof framing === 'number') return lengthEnd(framing);
  return framing === 'chunked' ? chunkedEnd : '\r\n';
}
