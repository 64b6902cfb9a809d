import { bytesBody, collect, emptyBody } from '../kernel/body.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Ports } from '../kernel/ports.ts';

export interface HttpCall {
  readonly port: number;
  /** In place of the port. */
  readonly socket?: string | undefined;
  readonly method: string;
  /** Path and query, encoded. */
  readonly path: string;
  /** Flat pairs, names in lower case. */
  readonly headers?: readonly string[];
  readonly body?: Uint8Array;
  /** Until the whole answer is there. */
  readonly timeoutMs: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

const answerBytesMax = 64 * 1024 * 1024;

/** One request to a runtime of this machine. Fails with `unavailable` or `deadline-exceeded`. Loads the HTTP client on first use. */
export async function callHttp(ports: Ports, call: HttpCall): Promise<HttpAnswer> {
  const { createHttp1Client } = await import('../wire/http1/client.ts');
  const client = createHttp1Client({ network: ports.network, clock: ports.clock });
  let cancelTimer = (): void => {};
  const tooLate = new Promise<never>((_resolve, reject) => {
    const timer = ports.clock.timer(call.timeoutMs, () => {
      reject(new ProaError('deadline-exceeded', `no answer within ${call.timeoutMs} ms`));
    });
    cancelTimer = () => timer.cancel();
  });
  const exchange = async (): Promise<HttpAnswer> => {
    const response = await client.request(call.socket === undefined ? { host: '127.0.0.1', port: call.port } : { path: call.socket }, {
      method: call.method,
      target: call.path,
      headers: call.headers ?? [],
      body: call.body === undefined ? emptyBody : bytesBody(call.body),
    });
    return { status: response.status, body: await collect(response.body, answerBytesMax) };
  };
  try {
    return await Promise.race([exchange(), tooLate]);
  } finally {
    cancelTimer();
    client.close();
  }
}
