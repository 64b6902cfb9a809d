const slots = 128;
const charsMax = 256;

/**
 * What was made of recent texts: paths and keys repeat, and comparing one with the last of its kind costs far less than taking it apart again. A fixed
 * number of places, each text in the one that its length and a few characters choose: nothing is searched and nothing grows.
 */
export class TextMemo<T> {
  readonly #make: (text: string) => T;
  readonly #texts: (string | undefined)[] = Array.from({ length: slots }, () => undefined);
  readonly #values: (T | undefined)[] = Array.from({ length: slots }, () => undefined);

  /** `make` must answer the same for the same text. What it throws is not remembered. */
  constructor(make: (text: string) => T) {
    this.#make = make;
  }

  /** `make(text)`, or what it answered before. */
  of(text: string): T {
    const { length } = text;
    if (length === 0 || length > charsMax) return this.#make(text);
    const slot = (length * 7 + text.charCodeAt(length - 1) * 31 + text.charCodeAt(length >> 1)) & (slots - 1);
    if (this.#texts[slot] === text) return this.#values[slot] as T;
    const value = this.#make(text);
    this.#texts[slot] = text;
    this.#values[slot] = value;
    return value;
  }
}
