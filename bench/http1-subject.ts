// The codec alone: `proxy <port> <upstream port>`, `constant <port>`, or `floor <port> <upstream port>`, which does what no proxy of ours can leave out: it parses,
// refuses, finds the app that a path names, and gives the call a trace. It measures nothing, governs nothing, repeats nothing and records nothing.
import { ListMemo } from '../src/kernel/list-memo.ts';
import { TextMemo } from '../src/kernel/text-memo.ts';
import { noTrace } from '../src/kernel/trace-context.ts';
import { nodeClock } from '../src/ports/node/clock.ts';
import { createNodeNetwork } from '../src/ports/node/network.ts';
import { createNodeRandom } from '../src/ports/node/random.ts';
import { createTracer } from '../src/telemetry/tracing.ts';
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

// Equal heads give the same lists, as in the product.
const passed = { in: new ListMemo(forwardHeaders), out: new ListMemo(forwardHeaders) };

class Forward implements Http1ResponseHandlers {
  readonly #response: Http1Response;

  constructor(response: Http1Response) {
    this.#response = response;
  }

  head(answer: Http1ClientResponse): void {
    this.#response.sendBody(answer.status, passed.out.of(answer.headers), answer.body);
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
      headers: passed.in.of(request.headers),
      body: request.body,
      cancel: request.cancel,
    },
    new Forward(response),
  );
}

const tracer = createTracer({ clock, random: createNodeRandom(), samplingRate: 0.01 });
const routed = new TextMemo((path) => {
  const [, appId, method] = /^\/v1\.0\/invoke\/([^/]+)\/method\/(.*)$/.exec(path) ?? [];
  return appId === 'bench' ? `/${method}` : undefined;
});

function floor(request: Http1Request, response: Http1Response): void {
  const target = routed.of(request.path);
  if (target === undefined) {
    response.send(404, json, constant);
    return;
  }
  const { trace } = tracer.start('server', request.path, noTrace);
  response.traced(trace);
  const { method, headers, body, cancel } = request;
  pool.dispatch({ method, target, headers: passed.in.of(headers), trace, body, cancel }, new Forward(response));
}

const handlers = { proxy, floor, constant: (_request: Http1Request, response: Http1Response) => response.send(200, json, constant) };

await serveHttp1({
  network,
  clock,
  address: { host: '127.0.0.1', port: Number(port) },
  handler: handlers[mode as keyof typeof handlers],
});
process.on('SIGINT', () => process.exit(0));
