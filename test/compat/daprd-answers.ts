import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../src/gen/google/rpc/status_pb.ts';

/** A request of the HTTP API, and what daprd 1.18.0 answered to it. */
export interface RecordedAnswer {
  readonly what: string;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly status: number;
  /** Of the answer's JSON, for `toMatchObject`. */
  readonly json?: unknown;
  /** Headers of the answer. */
  readonly told?: Readonly<Record<string, string | RegExp>>;
  /** Headers that the answer must not have. */
  readonly without?: readonly string[];
}

const trace = '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331';

/** A bulk request of one entry to a topic that nobody reads. */
function bulk(what: string, entry: unknown, answered: Pick<RecordedAnswer, 'status' | 'json'>): RecordedAnswer {
  return { what, method: 'POST', path: '/v1.0/publish/bulk/pubsub/t', body: JSON.stringify([entry]), ...answered };
}

const misfit = { status: 400, json: { errorCode: 'ERR_PUBSUB_EVENTS_SER', details: [{ reason: 'DAPR_PUBSUB_MARSHAL_ENVELOPE' }] } };
const unreadable = { status: 400, json: { errorCode: 'ERR_PUBSUB_EVENTS_SER', details: [{ reason: 'DAPR_PUBSUB_UNMARSHAL_EVENTS' }] } };

const operation = (name: string, path: string): string => JSON.stringify({ operation: name, metadata: { path } });

/** What callers notice. Recorded: the same requests were sent to daprd 1.18.0 with the same components and app. */
export const httpAnswers: readonly RecordedAnswer[] = [
  { what: 'a store that is not there', path: '/v1.0/state/none/k', status: 400, json: { errorCode: 'ERR_STATE_STORE_NOT_FOUND' } },
  { what: 'a key that holds the separator', path: '/v1.0/state/mem/a%7C%7Cb', status: 400, json: { errorCode: 'ERR_MALFORMED_REQUEST' } },
  { what: 'an item without a key', method: 'POST', path: '/v1.0/state/mem', body: '[{"value":1}]', status: 400 },
  { what: 'an etag that is a number', method: 'POST', path: '/v1.0/state/mem', body: '[{"key":"k","etag":1}]', status: 400 },
  {
    what: 'a transaction with an operation that is none',
    method: 'POST',
    path: '/v1.0/state/mem/transaction',
    body: '{"operations":[{"operation":"zap","request":{"key":"k"}}]}',
    status: 400,
    json: { errorCode: 'ERR_NOT_SUPPORTED_STATE_OPERATION' },
  },
  { what: 'an app that is not there', path: '/v1.0/invoke/none/method/x', status: 500, json: { errorCode: 'ERR_DIRECT_INVOKE' } },
  { what: 'a path that names no app', path: '/v1.0/zap', status: 404, json: { errorCode: 'ERR_DIRECT_INVOKE' } },
  { what: 'an app that a header names', path: '/p/q', headers: { 'dapr-app-id': 'app' }, status: 200, json: { path: '/p/q' } },
  {
    what: 'a method that holds a question mark',
    path: '/v1.0/invoke/app/method/a%3Fb',
    status: 500,
    json: { errorCode: 'ERR_DIRECT_INVOKE' },
  },
  { what: 'a status of the app', path: '/v1.0/invoke/app/method/missing', status: 404, json: {} },
  {
    what: 'a pub/sub that is not there',
    method: 'POST',
    path: '/v1.0/publish/none/t',
    body: '{}',
    status: 404,
    json: { errorCode: 'ERR_PUBSUB_NOT_FOUND' },
  },
  { what: 'an event without a topic', method: 'POST', path: '/v1.0/publish/pubsub/', body: '{}', status: 404 },
  { what: 'an event', method: 'POST', path: '/v1.0/publish/pubsub/t', body: '{}', status: 204 },
  {
    what: 'raw payload that is neither true nor false',
    method: 'POST',
    path: '/v1.0/publish/pubsub/t?metadata.rawPayload=zap',
    body: '{}',
    status: 400,
    json: { errorCode: 'ERR_PUBSUB_REQUEST_METADATA' },
  },
  {
    what: 'entries of one id',
    method: 'POST',
    path: '/v1.0/publish/bulk/pubsub/t',
    body: JSON.stringify(['a', 'b'].map((event) => ({ entryId: '1', event, contentType: 'text/plain' }))),
    status: 400,
    json: { details: [{ reason: 'DAPR_PUBSUB_MARSHAL_EVENTS' }] },
  },
  {
    what: 'a secret store that is not there',
    path: '/v1.0/secrets/none/k',
    status: 401,
    json: { errorCode: 'ERR_SECRET_STORE_NOT_FOUND' },
  },
  {
    what: 'an operation that a binding does not have',
    method: 'POST',
    path: '/v1.0/bindings/web',
    body: '{"operation":"zap"}',
    status: 500,
    json: { errorCode: 'ERR_INVOKE_OUTPUT_BINDING' },
  },
  {
    what: 'a job that is named in its body too',
    method: 'POST',
    path: '/v1.0-alpha1/jobs/j',
    body: '{"name":"j","dueTime":"1h"}',
    status: 400,
    json: { errorCode: 'DAPR_SCHEDULER_JOB_NAME' },
  },
  { what: 'the health of another app', path: '/v1.0/healthz?appid=other', status: 500, json: { errorCode: 'ERR_HEALTH_APPID_NOT_MATCH' } },
  { what: 'a word about the app', method: 'PUT', path: '/v1.0/metadata/word', body: 'said', status: 204 },
  { what: 'baggage that is none', path: '/v1.0/metadata', headers: { baggage: '=;;' }, status: 400 },
  { what: 'a read with a consistency that nobody knows', path: '/v1.0/state/mem/none?consistency=odd', status: 204 },
  { what: 'a list of items that was never filled', method: 'POST', path: '/v1.0/state/mem', body: 'null', status: 204 },
  {
    what: 'the head of a request that is larger than 4 KiB',
    path: '/v1.0/state/mem/none',
    headers: { cookie: 'c'.repeat(6_000) },
    status: 204,
  },
  {
    what: 'the head of a request that is larger than 8 KiB',
    path: '/v1.0/state/mem/none',
    headers: { cookie: 'c'.repeat(20_000) },
    status: 431,
  },
  {
    what: 'a secret that is not in the file',
    path: '/v1.0/secrets/file/none',
    status: 500,
    json: { errorCode: 'ERR_SECRET_GET', message: 'failed getting secret with key none from secret store file: secret none not found' },
  },
  { what: 'a variable that is not set', path: '/v1.0/secrets/env/PROBABLY_NOT_SET', status: 200, json: { PROBABLY_NOT_SET: '' } },
  { what: 'a method with a slash at its end', path: '/v1.0/invoke/app/method/a/b/', status: 200, json: { path: '/a/b' } },
  { what: 'a method with a bad percent escape', path: '/v1.0/invoke/app/method/a%zz', status: 400 },
  {
    what: 'what an HTTP binding tells of the answer',
    method: 'POST',
    path: '/v1.0/bindings/web',
    body: operation('get', '/chunked'),
    status: 200,
    without: ['metadata.transfer-encoding'],
  },
  {
    what: 'an HTTP binding whose server says nothing',
    method: 'POST',
    path: '/v1.0/bindings/web',
    body: operation('get', '/nothing'),
    status: 200,
    told: { 'content-type': 'application/json', 'metadata.statuscode': '204' },
  },
  {
    what: 'an entry that does not fit its content type',
    method: 'POST',
    path: '/v1.0/publish/bulk/pubsub/topic',
    body: JSON.stringify([{ entryId: '1', event: { a: 1 }, contentType: 'text/plain' }]),
    status: 400,
    json: { errorCode: 'ERR_PUBSUB_EVENTS_SER', details: [{ reason: 'DAPR_PUBSUB_MARSHAL_ENVELOPE', domain: 'dapr.io' }] },
  },
  bulk('an entry of XML is a text', { entryId: '1', event: '<a/>', contentType: 'application/xml' }, { status: 204 }),
  bulk('an entry without a content type', { entryId: '1', event: 'x' }, misfit),
  bulk('an entry of a type that says nothing of its event', { entryId: '1', event: 'YQ==', contentType: 'application/x-zap' }, misfit),
  bulk('an entry in base64 without padding', { entryId: '1', event: 'YQ', contentType: 'application/octet-stream' }, misfit),
  bulk('an entry that is null', null, misfit),
  bulk('an entry that is a number', 5, unreadable),
  bulk('an entry whose id is a number', { entryId: 1, event: 'x', contentType: 'text/plain' }, unreadable),
  {
    what: 'a tracestate goes back to whoever sent it',
    path: '/v1.0/state/mem/none',
    headers: { traceparent: `00-${trace}-01`, tracestate: ' a=b ,,  c@d=e' },
    status: 204,
    told: { traceparent: /^00-0af7651916cd43dd8448eb211c80319c-/, tracestate: 'a=b,c@d=e' },
  },
  {
    what: 'a tracestate of an invocation',
    path: '/v1.0/invoke/app/method/x',
    headers: { traceparent: `00-${trace}-00`, tracestate: 'a=b' },
    status: 200,
    told: { tracestate: 'a=b' },
  },
  {
    what: 'a tracestate of a request that fails',
    path: '/v1.0/zap',
    headers: { traceparent: `00-${trace}-01`, tracestate: 'a=b' },
    status: 404,
    told: { tracestate: 'a=b' },
  },
  {
    what: 'a tracestate that is none',
    path: '/v1.0/state/mem/none',
    headers: { traceparent: `00-${trace}-01`, tracestate: 'a=b,a=c' },
    status: 204,
    without: ['tracestate'],
  },
  {
    what: 'a tracestate without a traceparent',
    path: '/v1.0/state/mem/none',
    headers: { tracestate: 'a=b' },
    status: 204,
    without: ['tracestate'],
  },
  {
    what: 'a traceparent of a later version',
    path: '/v1.0/state/mem/none',
    headers: { traceparent: `01-${trace}-01-more` },
    status: 204,
    told: { traceparent: /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/ },
  },
  {
    what: 'a job without a schedule',
    method: 'POST',
    path: '/v1.0-alpha1/jobs/none',
    body: '{}',
    status: 400,
    json: { errorCode: 'DAPR_SCHEDULER_SCHEDULE_EMPTY', details: [{ reason: 'DAPR_SCHEDULER_SCHEDULE_EMPTY' }] },
  },
];

/** What came back from a unary call: metadata before the status, the status, its ErrorInfo, and the message when there is one. */
export interface GrpcAnswer<T> {
  readonly code: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly reason: string | undefined;
  readonly message: T | undefined;
}

/** One unary call of the API, by a client that is not ours. */
export function ask<I extends DescMessage, O extends DescMessage>(
  port: string,
  name: string,
  {
    input,
    output,
    message,
    headers: sent = {},
  }: { readonly input: I; readonly output: O; readonly message: MessageInitShape<I>; readonly headers?: Readonly<Record<string, string>> },
): Promise<GrpcAnswer<MessageShape<O>>> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const same = (bytes: Buffer): Buffer => bytes;
  const request = Buffer.from(toBinary(input, create(input, message)));
  const metadata = new Metadata();
  for (const [header, value] of Object.entries(sent)) metadata.set(header, value);
  let headers: Readonly<Record<string, unknown>> = {};
  return new Promise((resolve) => {
    const call = client.makeUnaryRequest(`/dapr.proto.runtime.v1.Dapr/${name}`, same, same, request, metadata, (error, bytes) => {
      client.close();
      resolve({
        code: status[error?.code ?? 0] as string,
        headers,
        reason: reasonIn(error?.metadata),
        message: bytes === undefined ? undefined : fromBinary(output, bytes),
      });
    });
    call.on('metadata', (told) => (headers = told.getMap()));
  });
}

function reasonIn(metadata: Metadata | undefined): string | undefined {
  const [packed] = metadata?.get('grpc-status-details-bin') ?? [];
  if (!Buffer.isBuffer(packed)) return undefined;
  const infos = fromBinary(StatusSchema, packed).details.map((detail) => anyUnpack(detail, ErrorInfoSchema));
  return infos.find((info) => info !== undefined)?.reason;
}
