import { emptyBody, type Body } from '../../kernel/body.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import type { RequestHead } from './request-head.ts';

const noHeaders: readonly string[] = [];

/** A request as the handler sees it. Everything but the body is complete when the handler is called. */
export class Http1Request implements RequestHead {
  method = '';
  target = '';
  path = '';
  query: string | undefined = undefined;
  version = 11;
  headers: readonly string[] = noHeaders;
  contentLength = -1;
  chunked = false;
  close = false;
  keepAlive = false;
  host: string | undefined = undefined;
  expect: string | undefined = undefined;
  /**
   * Piped inside the handler it delivers the bytes that came with the head at once and without a copy; piped later, what had
   * arrived was copied and the client is held back.
   */
  body: Body = emptyBody;
  /** `host:port` of the client, or the path of the Unix socket. */
  readonly remote: string;
  /** Cancelled when the client goes away, or breaks the protocol, before it was answered: nobody reads the answer. */
  readonly cancel = new CancelScope();

  constructor(remote: string) {
    this.remote = remote;
  }

  /** The first value of the header (`name` in lower case). */
  header(name: string): string | undefined {
    const { headers } = this;
    for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
    return undefined;
  }
}
