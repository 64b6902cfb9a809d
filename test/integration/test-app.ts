import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as the app got it. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What the app answers; `hang` never answers, `break` closes the connection. */
export type Answer = { readonly status?: number; readonly body?: string; readonly afterMs?: number } | 'hang' | 'break';

export interface TestApp {
  readonly port: string;
  readonly received: Received[];
  /** Requests under way now, and the most there were at once; of those that take their time (`afterMs`, `hang`): what a runtime asks when the app comes is no call. */
  readonly busy: { now: number; most: number };
  close(): Promise<void>;
}

/** An app over HTTP whose answers are told by `answer`; undefined answers 404. Port 0: a free one. */
export async function startApp(answer: (request: Received) => Answer | undefined, port = 0): Promise<TestApp> {
  const received: Received[] = [];
  const busy = { now: 0, most: 0 };
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const seen = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(parts).toString(),
      };
      received.push(seen);
      const told = answer(seen) ?? { status: 404 };
      if (told === 'hang' || (told !== 'break' && told.afterMs !== undefined)) {
        busy.most = Math.max(busy.most, ++busy.now);
        response.on('close', () => busy.now--);
      }
      if (told === 'break') request.socket.destroy();
      else if (told !== 'hang') setTimeout(() => response.writeHead(told.status ?? 200).end(told.body ?? ''), told.afterMs ?? 0);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: String((server.address() as AddressInfo).port),
    received,
    busy,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
