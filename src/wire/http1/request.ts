import { emptyBody, type Body } from '../../kernel/body.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import type { RequestHead } from './request-head.ts';

/** A request as the handler sees it. Everything but the body is complete when the handler is called. */
export class Http1Request implements Readonly<RequestHead> {
  readonly #head: RequestHead;
  /**
   * Piped inside the handler it delivers the bytes that came with the head at once and without a copy; piped later, what had
   * arrived was copied and the client is held back.
   */
  body: Body = emptyBody;
  /** `host:port` of the client, or the path of the Unix socket. */
  readonly remote: string;
  /** Cancelled when the client goes away, or breaks the protocol, before it was answered: nobody reads the answer. */
  readonly cancel = new CancelScope();

  /** Requests with the same head may share it: it does not change any more. */
  constructor(head: RequestHead, remote: string) {
    this.#head = head;
    this.remote = remote;
  }

  get method(): string {
    return this.#head.method;
  }

  get target(): string {
    return this.#head.target;
  }

  get path(): string {
    return this.#head.path;
  }

  get query(): string | undefined {
    return this.#head.query;
  }

  get version(): number {
    return this.#head.version;
  }

  get headers(): readonly string[] {
    return this.#head.headers;
  }

  get contentLength(): number {
    return this.#head.contentLength;
  }

  get chunked(): boolean {
    return this.#head.chunked;
  }

  get close(): boolean {
    return this.#head.close;
  }

  get keepAlive(): boolean {
    return this.#head.keepAlive;
  }

  get keptMs(): number {
    return this.#head.keptMs;
  }

  get host(): string | undefined {
    return this.#head.host;
  }

  get expect(): string | undefined {
    return this.#head.expect;
  }

  /** The first value of the header (`name` in lower case). */
  header(name: string): string | undefined {
    const { headers } = this;
    for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
    return undefined;
  }
}
