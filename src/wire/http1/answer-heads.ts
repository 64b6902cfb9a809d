import { KnownHeads } from './known-heads.ts';
import type { OutgoingFraming } from './outgoing-body.ts';
import { HeaderWriter, lengthLine, statusLine } from './write-head.ts';

/** How the end of an answer's body is told; undefined: nothing is said, because the answer can have none. */
export type AnswerFraming = OutgoingFraming | undefined;

/** Writes the heads of a server's answers: status line, headers, date and framing. */
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

  /** The lines of a head but its last ones. A header or status that is not valid is an error, as for `HeaderWriter` and `statusLine`. */
  write(status: number, headers: readonly string[], framing: AnswerFraming): string {
    return this.#known.of(headers, status, this.#dates.date) + framingLine(framing);
  }

  /** A header of one answer alone, checked. */
  line(name: string, value: string): string {
    return this.#writer.line(name, value);
  }
}

function framingLine(framing: AnswerFraming): string {
  if (framing === undefined || framing === 'until-close') return '';
  return framing === 'chunked' ? 'transfer-encoding: chunked\r\n' : lengthLine(framing);
}
