import type { OutgoingFraming } from './outgoing-body.ts';
import { flat, HeaderWriter, statusLine } from './write-head.ts';

const places = 4;

/** How the end of an answer's body is told; undefined: nothing is said, because the answer can have none. */
export type AnswerFraming = OutgoingFraming | undefined;

/** A head that was written, and what made it. */
interface Written {
  readonly headers: readonly string[];
  readonly status: number;
  readonly framing: AnswerFraming;
  readonly date: string;
  text: string;
  /** It came again, so its text was put into one piece. */
  again: boolean;
}

/**
 * Writes the heads of a server's answers, as far as answers share them: status line, headers, date and framing. Lists of headers do not change once they are
 * made, so a list that comes again in the same second, with the same status and length, is the same text. What one answer has alone goes behind it.
 */
export class AnswerHeads {
  readonly #dates: { readonly date: string };
  readonly #writer = new HeaderWriter();
  readonly #recent: (Written | undefined)[] = Array.from({ length: places }, () => undefined);
  #next = 0;

  /** `dates` has the current value of the Date header. */
  constructor(dates: { readonly date: string }) {
    this.#dates = dates;
  }

  /** The lines of a head but its last ones. A header or status that is not valid is an error, as for `HeaderWriter` and `statusLine`. */
  write(status: number, headers: readonly string[], framing: AnswerFraming): string {
    const { date } = this.#dates;
    const recent = this.#recent;
    for (let i = 0; i < places; i++) {
      const written = recent[i];
      if (written?.headers !== headers || written.framing !== framing || written.status !== status || written.date !== date) continue;
      if (!written.again) {
        written.again = true;
        written.text = flat(written.text);
      }
      return written.text;
    }
    const writer = this.#writer;
    const lines = statusLine(status) + writer.lines(headers);
    const text = lines + (writer.hasDate ? '' : `date: ${date}\r\n`) + framingLine(framing);
    recent[this.#next] = { headers, status, framing, date, text, again: false };
    this.#next = (this.#next + 1) % places;
    return text;
  }

  /** A header of one answer alone, checked. */
  line(name: string, value: string): string {
    return this.#writer.line(name, value);
  }
}

function framingLine(framing: AnswerFraming): string {
  if (framing === undefined || framing === 'until-close') return '';
  return framing === 'chunked' ? 'transfer-encoding: chunked\r\n' : `content-length: ${framing}\r\n`;
}
