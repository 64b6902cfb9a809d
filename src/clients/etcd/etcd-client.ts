import type { DriverContext } from '../../contracts/driver.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import { fetchBytes, httpTarget, type ClientTls } from '../../contracts/fetch-bytes.ts';
import { bytesBody, type Body, type Flow } from '../../kernel/body.ts';
import type { Cancellation } from '../../kernel/cancel.ts';
import { isProaError } from '../../kernel/errors.ts';

export interface EtcdClientOptions {
  readonly urls: readonly string[];
  readonly tls: ClientTls;
  readonly user?: { readonly name: string; readonly password: string };
  readonly context: Pick<DriverContext, 'http'> & { readonly ports: Pick<DriverContext['ports'], 'clock'> };
}

/** etcd's v3 API over its JSON gateway (etcd 3.4 and newer). Failures are Errors with what the server said. */
export interface EtcdClient {
  call(path: string, message: object): Promise<Readonly<Record<string, unknown>>>;
  /**
   * What must not happen twice: another member is asked only when this one was not reached. Fails with `unavailable` when nothing happened, with
   * `engine.outcome-unknown` when nobody knows, and with an Error for what etcd refuses.
   */
  write(path: string, message: object): Promise<Readonly<Record<string, unknown>>>;
  /** A server stream: one JSON document per line. Ends when the server ends it; fails when it breaks, is cancelled, or `document` throws. */
  stream(path: string, message: object, heard: { document(document: unknown): void; readonly cancel: Cancellation }): Promise<void>;
}

/** gRPC's DEADLINE_EXCEEDED and UNAVAILABLE, where etcd does not know itself what became of it; UNKNOWN, by which it means many things. */
const uncertainCodes: ReadonlySet<number> = new Set([2, 4, 14]);

/** etcd answered, with an error. */
class EtcdRefusal extends Error {
  readonly uncertain: boolean;
  constructor(message: string, uncertain: boolean) {
    super(message);
    this.uncertain = uncertain;
  }
}

const answerBytesMax = 8 * 1024 * 1024;
const lineBytesMax = 8 * 1024 * 1024;
const timeoutMs = 5_000;

/** One member is used until it fails; then the next one is tried, each once per call. */
export function createEtcdClient(options: EtcdClientOptions): EtcdClient {
  const { urls, tls, context } = options;
  let member = 0;
  const session = sessionOf(options, () => urls[member] as string);
  return {
    async call(path, message) {
      let failure: unknown;
      for (let tried = 0; tried < urls.length; tried++) {
        try {
          return await session.ask(path, message);
        } catch (error) {
          failure = error;
          member = (member + 1) % urls.length;
        }
      }
      throw failure;
    },
    async write(path, message) {
      let failure: unknown;
      for (let tried = 0; tried < urls.length; tried++) {
        try {
          return await session.ask(path, message);
        } catch (error) {
          failure = error;
          if (error instanceof EtcdRefusal && !error.uncertain) throw error;
          member = (member + 1) % urls.length;
          // `unavailable` says that no connection came about: nothing was sent.
          if (!isProaError(error) || error.code !== 'unavailable') throw outcomeUnknown('the write may or may not have happened', error);
        }
      }
      throw failure;
    },
    async stream(path, message, { document, cancel }) {
      const headers = await session.headers();
      const { authority, ...where } = httpTarget(`${urls[member] as string}/v3/${path}`, tls);
      const response = await context.http.request({
        ...where,
        method: 'POST',
        headers: ['host', authority, ...headers],
        body: bytesBody(Buffer.from(JSON.stringify(message))),
        cancel,
      });
      if (response.status !== 200) {
        response.body.discard();
        session.forget();
        throw new Error(`etcd answers ${path} with status ${response.status}`);
      }
      await eachLine(response.body, (line) => document(documentOf(line)));
    },
  };
}

/** Who we are to etcd: a token, where there is a user. It is taken when it is needed, and again when it expired or another member does not know it. */
function sessionOf({ tls, user, context }: EtcdClientOptions, url: () => string) {
  let token: string | undefined;
  const headers = (): string[] => ['content-type', 'application/json', ...(token === undefined ? [] : ['authorization', token])];
  const post = async (path: string, message: object, sent: readonly string[]) => {
    const body = Buffer.from(JSON.stringify(message));
    const asked = { http: context.http, clock: context.ports.clock, method: 'POST', url: `${url()}/v3/${path}`, headers: sent, body, tls };
    const { status, data } = await fetchBytes({ ...asked, timeoutMs, bytesMax: answerBytesMax });
    return { status, document: documentOf(data) };
  };
  const authenticate = async (): Promise<void> => {
    if (user === undefined) return;
    token = undefined;
    const { status, document } = await post('auth/authenticate', { name: user.name, password: user.password }, headers());
    if (status !== 200 || typeof document['token'] !== 'string')
      throw new EtcdRefusal(`etcd refuses the user: ${reasonOf(document, status)}`, false);
    token = document['token'];
  };
  const known = async (): Promise<string[]> => {
    if (user !== undefined && token === undefined) await authenticate();
    return headers();
  };
  return {
    headers: known,
    forget(): void {
      token = undefined;
    },
    async ask(path: string, message: object): Promise<Readonly<Record<string, unknown>>> {
      let answer = await post(path, message, await known());
      if (answer.status === 401 && user !== undefined) {
        await authenticate();
        answer = await post(path, message, headers());
      }
      if (answer.status !== 200) {
        const message = `etcd answers ${path} with ${reasonOf(answer.document, answer.status)}`;
        throw new EtcdRefusal(message, uncertainCodes.has(Number(answer.document['code'])));
      }
      return answer.document;
    },
  };
}

function eachLine(body: Body, line: (bytes: Uint8Array) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let rest: Uint8Array = new Uint8Array(0);
    let flow: Flow;
    body.pipe({
      open(opened) {
        flow = opened;
        flow.credit(Number.MAX_SAFE_INTEGER);
      },
      chunk(chunk) {
        const failed = (error: unknown): void => {
          flow.cancel(error);
          reject(error as Error);
        };
        let all = Buffer.concat([rest, chunk]);
        try {
          for (let at = all.indexOf(10); at >= 0; at = all.indexOf(10)) {
            if (at > 0) line(all.subarray(0, at));
            all = all.subarray(at + 1);
          }
        } catch (error) {
          // What the reader of the stream objects to is the stream's end, and none of the connection's business.
          return failed(error);
        }
        rest = all;
        if (rest.length > lineBytesMax) failed(new Error(`etcd sent a line of more than ${lineBytesMax} bytes`));
      },
      end: () => resolve(),
      fail: reject,
    });
  });
}

function documentOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof document === 'object' && document !== null ? (document as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function reasonOf(document: Readonly<Record<string, unknown>>, status: number): string {
  const said = document['message'] ?? document['error'];
  return typeof said === 'string' ? `status ${status}: ${said.slice(0, 200)}` : `status ${status}`;
}
