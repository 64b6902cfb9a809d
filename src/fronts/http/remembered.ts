import { latin1Body } from '../../kernel/body.ts';
import type { Reply } from './reply.ts';

const keptBytesMax = 4096;

/** What a row made of the last request with one path. It is as large as one small answer. */
export class Remembered {
  #query: string | undefined = undefined;
  #input: unknown = undefined;
  #output: unknown = undefined;
  #reply: Reply | undefined = undefined;

  /** What the row decoded when the query was this one; undefined when it was another. */
  input(query: string): unknown {
    return this.#query === query ? this.#input : undefined;
  }

  keepInput(query: string, input: unknown): void {
    this.#query = query;
    this.#input = input;
  }

  /** The reply that this very output became. */
  reply(output: unknown): Reply | undefined {
    return this.#output === output ? this.#reply : undefined;
  }

  /** The reply as it is to be sent: one that is kept holds its bytes as the text that is written. */
  keepReply(output: unknown, reply: Reply): Reply {
    const { body, status, headers } = reply;
    if (reply.stream !== undefined || (body?.length ?? 0) > keptBytesMax) return reply;
    const kept = body instanceof Uint8Array ? { status, headers, stream: latin1Body(Buffer.from(body).toString('latin1')) } : reply;
    this.#output = output;
    this.#reply = kept;
    return kept;
  }
}
