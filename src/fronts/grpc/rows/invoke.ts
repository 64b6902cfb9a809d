import type { InvokeRequest, InvokeResponse } from '../../../blocks/invoke/index.ts';
import type { Dapr } from '../../../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import type { InvokeServiceRequest } from '../../../gen/dapr/proto/runtime/v1/invoke_pb.ts';
import { bytesBody, collect } from '../../../kernel/body.ts';
import { ProaError } from '../../../kernel/errors.ts';
import { canonicalMethod } from '../../../kernel/method-path.ts';
import { problemType, readProblem } from '../../../kernel/problem.ts';
import { grpcCodeOf, grpcFromHttp } from '../../../kernel/status.ts';
import { fromGrpcStatus, grpcStatus } from '../../../wire/grpc/status.ts';
import { forwardHeaders } from '../../../wire/http1/forward-headers.ts';
import type { Handlers, ServerCall } from '../../../wire/grpc/method.ts';
import { httpOfMetadata, metadataOfHttp } from '../http-metadata.ts';
import { runService, type GrpcFrontContext } from '../row.ts';

const verbs = ['POST', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;
const operation = { block: 'invoke', name: 'call', idempotent: false };

/** The old unary invocation; new code uses transparent proxying (Dapr reference 6.5, 7.1). */
export function invokeRows(front: GrpcFrontContext, messageBytesMax: number): Handlers<typeof Dapr> {
  return {
    async invokeService(request, call) {
      const service = (made: Parameters<typeof front.blocks.invoke.call>[0]) =>
        front.blocks.invoke.call(made).then((answer) => whole(answer, messageBytesMax));
      const statusOf = (output: Awaited<ReturnType<typeof whole>>): number => output.answer.status;
      const { answer, bytes } = await runService(front, call, { operation, service, input: invokeRequest(front, request, call), statusOf });
      const status = answer.grpc;
      for (let i = 0, metadata = metadataOfHttp(forwardHeaders(answer.headers)); i < metadata.length; i += 2)
        // The document that stands for a gRPC status is no part of what the app said.
        if (status === undefined || metadata[i] !== 'dapr-content-type') call.setHeader(metadata[i] as string, metadata[i + 1] as string);
      const problem = problemOf(answer, bytes);
      if (problem !== undefined) throw problem;
      if (status !== undefined && status.code !== 0) throw fromGrpcStatus(grpcStatus(grpcCodeOf(status.code), status.message));
      if (status === undefined) call.setHeader('dapr-http-status', String(answer.status));
      if (answer.status < 200 || answer.status > 299) throw httpFailure(answer.status, Buffer.from(bytes).toString('utf8'));
      return { contentType: headerOf(answer.headers, 'content-type') ?? 'application/json', data: { typeUrl: '', value: bytes } };
    },
  };
}

function invokeRequest(front: GrpcFrontContext, request: InvokeServiceRequest, call: ServerCall): InvokeRequest {
  const { message } = request;
  if (message === undefined) throw new ProaError('bad-request', 'the invocation has no message');
  const method = canonicalMethod(message.method.split('?', 1)[0] ?? '');
  if ('error' in method) throw new ProaError('bad-request', `failed to invoke, id: ${request.id}, err: ${method.error}`);
  const data = message.data?.value ?? new Uint8Array(0);
  const question = message.method.indexOf('?');
  const contentType = message.contentType === '' && data.length > 0 ? 'application/json' : message.contentType;
  return {
    appId: request.id,
    namespace: front.caller.namespace,
    httpMethod: verbs[message.httpExtension?.verb ?? 0] ?? 'POST',
    path: method.path,
    query: message.httpExtension?.querystring || (question < 0 ? '' : message.method.slice(question + 1)),
    headers: [...(contentType === '' ? [] : ['content-type', contentType]), ...httpOfMetadata(call.metadata)],
    body: bytesBody(data),
    replayable: true,
  };
}

async function whole(answer: InvokeResponse, bytesMax: number): Promise<{ answer: InvokeResponse; bytes: Uint8Array }> {
  return { answer, bytes: await collect(answer.body, bytesMax) };
}

// A problem document of ours is its error again, with code and details.
function problemOf(answer: InvokeResponse, bytes: Uint8Array): ProaError | undefined {
  if (answer.status < 400 || headerOf(answer.headers, 'content-type')?.startsWith(problemType) !== true) return undefined;
  return readProblem(Buffer.from(bytes).toString('utf8'));
}

// With it goes an ErrorInfo: the reason is the status text, the message is cut at 63 characters (Dapr reference 6.3).
function httpFailure(status: number, body: string): ProaError {
  const code = grpcFromHttp(status);
  const text = statusTexts[status] ?? String(status);
  const error = fromGrpcStatus(grpcStatus(code, text));
  return new ProaError(error.code, text, {
    details: { reason: text, metadata: { 'http.code': String(status), 'http.error_message': body.slice(0, 63) } },
  });
}

const statusTexts: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition Failed',
  413: 'Request Entity Too Large',
  415: 'Unsupported Media Type',
  418: "I'm a teapot",
  422: 'Unprocessable Entity',
  423: 'Locked',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

function headerOf(headers: readonly string[], name: string): string | undefined {
  const at = headers.findIndex((text, i) => i % 2 === 0 && text === name);
  return at < 0 ? undefined : headers[at + 1];
}
