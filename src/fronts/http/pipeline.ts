import type { HttpMiddleware, HttpRequest, HttpResponse } from '../../blocks/runtime/index.ts';
import { bytesBody } from '../../kernel/body.ts';
import { createCall, type Call } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Service } from '../../kernel/service.ts';
import type { Answerer, FrontRequest } from './answer.ts';
import type { Dispatched } from './dispatch.ts';
import { errorReply } from './error-reply.ts';
import type { KnownPath, KnownPaths } from './known-path.ts';

/** `httpPipeline`: middleware around everything that the listener answers, in the order of the Configuration. */
export interface Pipeline {
  around(answer: Answerer, paths: KnownPaths): Answerer;
}

const operation = { block: 'http', name: 'pipeline', idempotent: false } as const;

export function createPipeline(handlers: readonly HttpMiddleware[]): Pipeline {
  return {
    around: (answer, paths) => (request, to) => {
      // What the innermost service saw; middleware that answers by itself leaves it unset.
      let inner: Dispatched | undefined;
      const innermost: Service<HttpRequest, HttpResponse> = async (call) => {
        const known = paths.of(pathOf(call.input.target));
        inner = await new Promise<Dispatched>((dispatched) => answer(frontRequest(request, call, known), { dispatched }));
        const { status, headers, body, stream } = inner.reply;
        return {
          status,
          headers,
          body: stream ?? bytesBody(typeof body === 'string' ? Buffer.from(body, 'utf8') : (body ?? new Uint8Array(0))),
        };
      };
      const outermost = handlers.reduceRight((next, handler) => handler.filter(next), innermost);
      const { path } = request.known;
      const target = request.query === '' ? path : `${path}?${request.query}`;
      const input: HttpRequest = { method: request.method, target, headers: request.headers, body: request.body, remote: '' };
      outermost(createCall(operation, input, { cancel: request.cancel })).then(
        ({ status, headers, body }) => to.dispatched({ reply: { status, headers, stream: body }, call: inner?.call, error: inner?.error }),
        (thrown: unknown) => {
          const error = ProaError.from(thrown);
          to.dispatched({ reply: errorReply(error), call: inner?.call, error });
        },
      );
    },
  };
}

function frontRequest(outer: FrontRequest, call: Call<HttpRequest>, known: KnownPath): FrontRequest {
  const { input } = call;
  const question = input.target.indexOf('?');
  return {
    method: input.method,
    known,
    query: question < 0 ? '' : input.target.slice(question + 1),
    headers: input.headers,
    header(name) {
      const at = input.headers.findIndex((text, i) => i % 2 === 0 && text === name);
      return at < 0 ? undefined : input.headers[at + 1];
    },
    body: input.body,
    trace: outer.trace,
    cancel: outer.cancel,
  };
}

function pathOf(target: string): string {
  const question = target.indexOf('?');
  return question < 0 ? target : target.slice(0, question);
}
