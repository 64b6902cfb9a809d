import { flatText } from '../../kernel/flat-text.ts';

const places = 4;

/** A head that was written, and what made it. */
interface Written<First> {
  readonly headers: readonly string[];
  readonly first: First;
  readonly second: string;
  text: string;
  /** It came again, so its text was put into one piece. */
  again: boolean;
}

/**
 * The texts of the heads that were written last, of answers or of requests, as far as messages share them. Lists of headers do not change once they are made,
 * so a list that comes again, with the same of the two other things that a head begins with or holds, is the same text. What one message has alone goes
 * behind it. A few places, looked at one after the other; nothing grows.
 */
export class KnownHeads<First> {
  readonly #make: (headers: readonly string[], first: First, second: string) => string;
  readonly #recent: (Written<First> | undefined)[] = Array.from({ length: places }, () => undefined);
  #next = 0;

  /** `make` writes a head anew: from what it is given alone. What it throws is not remembered. */
  constructor(make: (headers: readonly string[], first: First, second: string) => string) {
    this.#make = make;
  }

  /** What `make` writes, or wrote before. */
  of(headers: readonly string[], first: First, second: string): string {
    const recent = this.#recent;
    for (let i = 0; i < places; i++) {
      const written = recent[i];
      if (written?.headers !== headers || written.first !== first || written.second !== second) continue;
      if (!written.again) {
        written.again = true;
        written.text = flatText(written.text);
      }
      return written.text;
    }
    const text = this.#make(headers, first, second);
    recent[this.#next] = { headers, first, second, text, again: false };
    this.#next = (this.#next + 1) % places;
    return text;
  }
}
