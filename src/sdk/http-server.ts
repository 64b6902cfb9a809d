import { BodyTooLarge, collect } from '../kernel/body.ts';
import { ProaError } from '../kernel/errors.ts';
import { canonicalMethod } from '../kernel/method-path.ts';
import type { Address, Ports } from '../kernel/ports.ts';
import type { Http1Request } from '../wire/http1/request.ts';
import type { Http1Response } from '../wire/http1/response.ts';
import { serveHttp1, type Http1Server } from '../wire/http1/server.ts';
import { answerHttp, type AppHttpOptions } from './app-http.ts';
import type { App } from './app.ts';
import { failureAnswer } from './request.ts';

export interface AppServerOptions extends AppHttpOptions {
  readonly ports: Pick<Ports, 'network' | 'clock'>;
  readonly address: Address;
  readonly bodyBytesMax: number;
}

/** An app behind an HTTP port of its own, for its sidecar. */
export function serveAppHttp(app: App, options: AppServerOptions): Promise<Http1Server> {
  const { ports, address } = options;
  return serveHttp1({
    network: ports.network,
    clock: ports.clock,
    address,
    handler: (request, response) => {
      void answer(app, options, request)
        .then(({ status, headers, body }) => response.send(status, headers, body))
        .catch(failing(response));
    },
  });
}

async function answer(app: App, options: AppServerOptions, request: Http1Request) {
  const named = canonicalMethod(request.path);
  if ('error' in named) {
    request.body.discard();
    return failureAnswer(new ProaError('bad-request', named.error), '');
  }
  const { method, query = '', headers, cancel } = request;
  const body = await collect(request.body, options.bodyBytesMax);
  return answerHttp(app, { path: named.path, httpMethod: method, query, headers, body, cancel }, options);
}

function failing(response: Http1Response): (thrown: unknown) => void {
  return (thrown) => {
    const error = thrown instanceof BodyTooLarge ? new ProaError('body-read', thrown.message) : ProaError.from(thrown);
    const { status, headers, body } = failureAnswer(error, '');
    response.send(status, headers, body);
  };
}
