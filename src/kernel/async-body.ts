import type { Body, Flow } from './body.ts';

/** A body as an async iterable of copies, for code off the hot path. Leaving the loop early cancels the source. */
export async function* chunksOf(body: Body, windowBytes = 64 * 1024): AsyncGenerator<Uint8Array> {
  const queue: Uint8Array[] = [];
  let flow: Flow | undefined;
  let ended = false;
  let failure: { readonly error: unknown } | undefined;
  let wake: () => void = () => {};
  body.pipe({
    open(opened) {
      flow = opened;
      flow.credit(windowBytes);
    },
    chunk(chunk) {
      queue.push(Uint8Array.from(chunk));
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    fail(error) {
      failure = { error };
      wake();
    },
  });
  try {
    for (;;) {
      for (let chunk = queue.shift(); chunk !== undefined; chunk = queue.shift()) {
        yield chunk;
        flow?.credit(chunk.length);
      }
      if (failure !== undefined) throw failure.error;
      if (ended) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (queue.length > 0 || ended || failure !== undefined) resolve();
      });
    }
  } finally {
    if (!ended && failure === undefined) flow?.cancel(new Error('nobody reads on'));
  }
}

/** An async iterable of chunks as a body of unknown length; it is read only as fast as the sink grants credit. */
export function bodyOf(chunks: AsyncIterable<Uint8Array>): Body {
  return {
    length: undefined,
    pipe(sink) {
      let credit = 0;
      let cancelled = false;
      let wake: () => void = () => {};
      sink.open({
        credit(bytes) {
          credit += bytes;
          wake();
        },
        cancel() {
          cancelled = true;
          wake();
        },
      });
      const run = async (): Promise<void> => {
        for await (const chunk of chunks) {
          while (credit <= 0 && !cancelled) {
            await new Promise<void>((resolve) => {
              wake = resolve;
              if (credit > 0 || cancelled) resolve();
            });
          }
          if (cancelled) return;
          credit -= chunk.length;
          sink.chunk(chunk);
        }
        if (!cancelled) sink.end();
      };
      run().catch((error: unknown) => {
        if (!cancelled) sink.fail(error);
      });
    },
    discard() {},
  };
}
