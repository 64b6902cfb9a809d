import type { Body, Flow, Sink } from '../../kernel/body.ts';

const creditBytes = 4096;

/** Looks at the beginning of a body. */
export interface Peeler<T> {
  /** Sees chunk after chunk until it answers; `restFrom` is where in that chunk the rest of the body begins. Throws to give the body up. */
  chunk(chunk: Uint8Array): { readonly value: T; readonly restFrom: number } | undefined;
  /** The body ended before there was an answer: answers now, or throws. */
  end(): T;
}

/**
 * Consumes the beginning of a body, asynchronously, and answers with the rest as a body of its own. Only a little credit is given meanwhile, so what has to
 * be kept until somebody pipes the rest is one chunk of the source.
 */
export function peelBody<T>(body: Body, peeler: Peeler<T>): Promise<{ readonly value: T; readonly rest: Body }> {
  return new Promise((resolve, reject) => {
    const rest = new Rest();
    let peeled = false;
    let flow: Flow | undefined;
    const settle = (answer: () => T): void => {
      try {
        const value = answer();
        peeled = true;
        resolve({ value, rest });
      } catch (error) {
        peeled = true;
        flow?.cancel(error);
        reject(error as Error);
      }
    };
    body.pipe({
      open(opened) {
        flow = opened;
        rest.flow = opened;
        rest.outstanding += creditBytes;
        opened.credit(creditBytes);
      },
      chunk(chunk) {
        rest.outstanding -= chunk.length;
        if (peeled) {
          rest.chunk(chunk);
          return;
        }
        let found: ReturnType<Peeler<T>['chunk']>;
        try {
          found = peeler.chunk(chunk);
        } catch (error) {
          settle(() => {
            throw error;
          });
          return;
        }
        if (found === undefined) {
          rest.ask(creditBytes);
          return;
        }
        const { value, restFrom } = found;
        if (restFrom < chunk.length) rest.chunk(chunk.subarray(restFrom));
        settle(() => value);
      },
      end() {
        if (!peeled) settle(() => peeler.end());
        rest.end();
      },
      fail(error) {
        if (!peeled) {
          settle(() => {
            throw error;
          });
        }
        rest.fail(error);
      },
    });
  });
}

/** What follows the peeled part: keeps what arrives until it is piped, then passes everything through. */
class Rest implements Body {
  readonly length = undefined;
  flow: Flow | undefined;
  /** What the source was granted and has not delivered; negative after an overshoot. */
  outstanding = 0;
  #sink: Sink | undefined;
  #kept: Uint8Array[] = [];
  /** What our reader granted and has not received. */
  #granted = 0;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #closed = false;

  chunk(chunk: Uint8Array): void {
    if (this.#closed) return;
    if (this.#sink === undefined || this.#kept.length > 0) {
      this.#kept.push(Uint8Array.from(chunk));
      return;
    }
    this.#granted -= chunk.length;
    this.#sink.chunk(chunk);
  }

  /** Sees to it that the source may deliver `bytes` more than it has. */
  ask(bytes: number): void {
    const more = bytes - this.outstanding;
    if (more <= 0) return;
    this.outstanding = bytes;
    this.flow?.credit(more);
  }

  end(): void {
    this.#ended = true;
    this.#finish();
  }

  fail(error: unknown): void {
    this.#failure = { error };
    this.#kept = [];
    this.#finish();
  }

  pipe(sink: Sink): void {
    this.#sink = sink;
    sink.open({
      credit: (bytes) => {
        this.#granted += bytes;
        this.#deliver();
      },
      cancel: (reason) => this.discard(reason),
    });
    this.#finish();
  }

  discard(reason?: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#kept = [];
    this.flow?.cancel(reason);
  }

  #deliver(): void {
    while (this.#granted > 0 && !this.#closed) {
      const chunk = this.#kept.shift();
      if (chunk === undefined) break;
      this.#granted -= chunk.length;
      this.#sink?.chunk(chunk);
    }
    if (this.#kept.length > 0 || this.#closed) return;
    if (this.#ended || this.#failure !== undefined) this.#finish();
    else if (this.#granted > 0) this.ask(this.#granted);
  }

  #finish(): void {
    if (this.#sink === undefined || this.#closed || this.#kept.length > 0) return;
    if (this.#failure !== undefined) {
      this.#closed = true;
      this.#sink.fail(this.#failure.error);
    } else if (this.#ended) {
      this.#closed = true;
      this.#sink.end();
    }
  }
}
