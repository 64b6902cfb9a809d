import { bytesBody, emptyBody, type Body, type Flow, type Sink } from './body.ts';
import { limits } from './limits.ts';

/**
 * A body that can be sent again: what its first reader consumed is kept, up to `limits.replayBytes`. `again` answers undefined when the body was
 * longer, or was not read to its end, so that half a body is never repeated.
 */
export interface ReplayBody extends Body {
  again(): Body | undefined;
}

/** Makes `body` replayable when its length is known and small enough; undefined otherwise. */
export function replayBody(body: Body): ReplayBody | undefined {
  const { length } = body;
  if (body === emptyBody) return emptyReplay;
  if (length === undefined || length > limits.replayBytes) return undefined;
  if (length === 0)
    return {
      length: 0,
      pipe: (sink) => body.pipe(sink),
      discard: (reason) => body.discard(reason),
      again: () => bytesBody(new Uint8Array(0)),
    };
  const kept = Buffer.allocUnsafe(length);
  let used = 0;
  let piped = false;
  return {
    length,
    pipe(sink) {
      piped = true;
      body.pipe(
        keeping(sink, (chunk) => {
          kept.set(chunk, used);
          used += chunk.length;
        }),
      );
    },
    discard: (reason) => body.discard(reason),
    again() {
      if (!piped) return body;
      return used === length ? bytesBody(kept) : undefined;
    },
  };
}

const emptyReplay: ReplayBody = { ...emptyBody, again: () => emptyBody };

function keeping(sink: Sink, keep: (chunk: Uint8Array) => void): Sink {
  return {
    open: (flow: Flow) => sink.open(flow),
    chunk(chunk) {
      keep(chunk);
      sink.chunk(chunk);
    },
    end: (trailers) => sink.end(trailers),
    fail: (error) => sink.fail(error),
  };
}
