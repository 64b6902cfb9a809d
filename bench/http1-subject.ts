// The process under test of http1-proxy.mjs: `proxy <port> <upstream port>` or `constant <port>`.
import { nodeClock } from '../src/ports/node/clock.ts';
import { createNodeNetwork } from '../src/ports/node/network.ts';
import type { Http1ResponseHandlers, Http1ClientResponse } from '../src/wire/http1/client-call.ts';
import { createHttp1Client } from '../src/wire/http1/client.ts';
import { forwardHeaders } from '../src/wire/http1/forward-headers.ts';
import type { Http1Request } from '../src/wire/http1/request.ts';
import type { Http1Response } from '../src/wire/http1/response.ts';
import { serveHttp1 } from '../src/wire/http1/server.ts';
import type { ProaError } from '../src/kernel/errors.ts';

const [mode, port, upstreamPort] = process.argv.slice(2);
const network = createNodeNetwork();
const clock = nodeClock;
const client = createHttp1Client({ network, clock });
const pool = client.pool({ host: '127.0.0.1', port: Number(upstreamPort ?? 1) });
const constant = JSON.stringify({ text: 'x'.repeat(53) });
const json = ['content-type', 'application/json'];

class Forward implements Http1ResponseHandlers {
  readonly #response: Http1Response;

  constructor(response: Http1Response) {
    this.#response = response;
  }

  head(answer: Http1ClientResponse): void {
    this.#response.sendBody(answer.status, forwardHeaders(answer.headers), answer.body);
  }

  fail(error: ProaError): void {
    this.#response.send(error.spec.http, [], error.message);
  }
}

function proxy(request: Http1Request, response: Http1Response): void {
  pool.dispatch(
    {
      method: request.method,
      target: request.target,
      headers: forwardHeaders(request.headers),
      body: request.body,
      cancel: request.cancel,
    },
    new Forward(response),
  );
}

await serveHttp1({
  network,
  clock,
  address: { host: '127.0.0.1', port: Number(port) },
  handler: mode === 'proxy' ? proxy : (_request, response) => response.send(200, json, constant),
});
process.on('SIGINT', () => process.exit(0));
