const placesFirst = 128;
const placesMax = 1_024;
const charsMax = 256;
// After so many texts in a row that were not known only one in some is kept: what never comes again would be old garbage by the time that it is pushed out.
const missesMax = 2 * placesMax;
const keepEvery = 16;

/**
 * What was made of recent texts: paths and keys repeat, and finding one that was there costs far less than taking it apart again. Each text has two places, which its
 * characters choose: nothing is searched. Places are doubled while texts push each other out, up to 1,024, so that some hundred actors or keys that are
 * in use together are all known, and few cost little memory.
 */
export class TextMemo<T> {
  readonly #make: (text: string) => T;
  #texts: (string | undefined)[] = places<string>(placesFirst);
  #values: (T | undefined)[] = places<T>(placesFirst);
  // What came last is found without looking at its characters: most often it is the same string.
  #last: string | undefined = undefined;
  #lastValue: T | undefined = undefined;
  #displaced = 0;
  #misses = 0;

  /** `make` must answer the same for the same text. What it throws is not remembered. */
  constructor(make: (text: string) => T) {
    this.#make = make;
  }

  /** `make(text)`, or what it answered before. */
  of(text: string): T {
    if (text === this.#last) return this.#lastValue as T;
    const { length } = text;
    if (length === 0 || length > charsMax) return this.#make(text);
    const place = mixed(text) & (this.#texts.length - 1);
    const texts = this.#texts;
    const at = texts[place] === text ? place : texts[place ^ 1] === text ? place ^ 1 : undefined;
    // Made before anything is written: what throws leaves no trace.
    const value = at === undefined ? this.#make(text) : (this.#values[at] as T);
    if (at !== undefined) this.#misses = 0;
    else if (++this.#misses < missesMax || this.#misses % keepEvery === 0) this.#keep(text, place, value);
    this.#last = text;
    this.#lastValue = value;
    return value;
  }

  #keep(text: string, place: number, value: T): void {
    const [texts, values] = [this.#texts, this.#values];
    if (texts[place] !== undefined) {
      const beside = place ^ 1;
      if (texts[beside] !== undefined && ++this.#displaced > texts.length / 2 && texts.length < placesMax) return this.#grow();
      texts[beside] = texts[place];
      values[beside] = values[place];
    }
    texts[place] = text;
    values[place] = value;
  }

  #grow(): void {
    const [texts, values] = [this.#texts, this.#values];
    const count = texts.length * 2;
    this.#texts = places(count);
    this.#values = places(count);
    this.#displaced = 0;
    for (const [at, text] of texts.entries()) if (text !== undefined) this.#keep(text, mixed(text) & (count - 1), values[at] as T);
  }
}

function places<T>(count: number): (T | undefined)[] {
  return Array.from({ length: count }, () => undefined);
}

/** All characters count: keys of one kind often differ in one of them only, wherever it stands. */
function mixed(text: string): number {
  let sum = text.length;
  for (let i = 0; i < text.length; i++) sum = (Math.imul(sum, 31) + text.charCodeAt(i)) | 0;
  return Math.imul(sum, 0x9e3779b1) >>> 16;
}
