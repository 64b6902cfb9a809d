import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { component, createMachine, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';
import { request, sendRaw, type RawAnswer } from './raw-http.ts';

// Bytes that no client library would send, against the real process: each answer is checked, and the process must live on unharmed.
let machine: TestMachine;
let full: TestSidecar;
let bare: TestSidecar;

beforeAll(async () => {
  machine = createMachine();
  const resources = {
    'state.yaml': component('store', 'state.in-memory'),
    'pubsub.yaml': component('pubsub', 'pubsub.in-memory'),
    'lock.yaml': component('locks', 'lock.proa'),
    'secrets.yaml': component('vault', 'secretstores.local.env'),
    'crypto.yaml': component('keys', 'crypto.dapr.localstorage', { path: machine.directory }),
    'settings.yaml': component('settings', 'configuration.proa'),
    'files.yaml': component('files', 'bindings.localstorage', { rootPath: machine.directory }),
  };
  [full, bare] = await Promise.all([
    startSidecar({ appId: 'full', machine, resources }),
    // One component of another kind: a sidecar without any is given embedded ones.
    startSidecar({ appId: 'bare', machine, resources: { 'files.yaml': resources['files.yaml'] } }),
  ]);
});

afterAll(async () => {
  const codes = await Promise.all([full.stop(), bare.stop()]);
  const printed = full.output() + bare.output();
  machine.remove();
  expect(codes).toEqual([0, 0]);
  expect(printed).not.toMatch(/\n\s+at .*:\d+:\d+/);
});

/** Sends and checks what holds for every answer: complete, and without a glimpse of our insides. */
async function send(sidecar: TestSidecar, bytes: Buffer | string, options: { readonly halfClose?: boolean } = {}): Promise<RawAnswer> {
  const answer = await sendRaw(sidecar.httpPort, bytes, options);
  expect(answer.body).not.toMatch(/\bat .*\.(?:c?js|ts):\d+|node:internal/);
  return answer;
}

const brief = ({ status, code }: RawAnswer): string => `${status} ${code}`;

describe('a building block that is not there', () => {
  it.each([
    ['GET /v1.0/state/nope/k', '', '500 ERR_STATE_STORE_NOT_CONFIGURED', '400 ERR_STATE_STORE_NOT_FOUND'],
    ['POST /v1.0/state/nope', '[]', '500 ERR_STATE_STORE_NOT_CONFIGURED', '400 ERR_STATE_STORE_NOT_FOUND'],
    ['DELETE /v1.0/state/nope/k', '', '500 ERR_STATE_STORE_NOT_CONFIGURED', '400 ERR_STATE_STORE_NOT_FOUND'],
    ['POST /v1.0/state/nope/bulk', '{"keys":[]}', '500 ERR_STATE_STORE_NOT_CONFIGURED', '400 ERR_STATE_STORE_NOT_FOUND'],
    ['POST /v1.0/state/nope/transaction', '{"operations":[]}', '500 ERR_STATE_STORE_NOT_CONFIGURED', '400 ERR_STATE_STORE_NOT_FOUND'],
    ['POST /v1.0-alpha1/state/nope/query', '{}', '500 ERR_STATE_STORE_NOT_CONFIGURED', '400 ERR_STATE_STORE_NOT_FOUND'],
    ['POST /v1.0/publish/nope/t', '1', '404 ERR_PUBSUB_NOT_FOUND', '404 ERR_PUBSUB_NOT_FOUND'],
    ['POST /v1.0/publish/bulk/nope/t', '[]', '404 ERR_PUBSUB_NOT_FOUND', '404 ERR_PUBSUB_NOT_FOUND'],
    ['POST /v1.0/bindings/nope', '{"operation":"create"}', '500 ERR_INVOKE_OUTPUT_BINDING', '500 ERR_INVOKE_OUTPUT_BINDING'],
    ['GET /v1.0/secrets/nope/k', '', '500 ERR_SECRET_STORES_NOT_CONFIGURED', '401 ERR_SECRET_STORE_NOT_FOUND'],
    ['GET /v1.0/secrets/nope/bulk', '', '500 ERR_SECRET_STORES_NOT_CONFIGURED', '401 ERR_SECRET_STORE_NOT_FOUND'],
    ['GET /v1.0/configuration/nope', '', '500 ERR_CONFIGURATION_STORE_NOT_CONFIGURED', '400 ERR_CONFIGURATION_STORE_NOT_FOUND'],
    [
      'POST /v1.0-alpha1/lock/nope',
      '{"resourceId":"r","lockOwner":"o","expiryInSeconds":1}',
      '500 ERR_LOCK_STORE_NOT_CONFIGURED',
      '400 ERR_LOCK_STORE_NOT_FOUND',
    ],
    [
      'POST /v1.0-alpha1/unlock/nope',
      '{"resourceId":"r","lockOwner":"o"}',
      '500 ERR_LOCK_STORE_NOT_CONFIGURED',
      '400 ERR_LOCK_STORE_NOT_FOUND',
    ],
    ['PUT /v1.0-alpha1/crypto/nope/encrypt', 'x', '500 ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED', '400 ERR_CRYPTO_PROVIDER_NOT_FOUND'],
    ['PUT /v1.0-alpha1/crypto/nope/decrypt', 'x', '500 ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED', '400 ERR_CRYPTO_PROVIDER_NOT_FOUND'],
    ['GET /v1.0/invoke/nope/method/m', '', '500 ERR_DIRECT_INVOKE', '500 ERR_DIRECT_INVOKE'],
    ['GET /not/a/route', '', '404 ERR_DIRECT_INVOKE', '404 ERR_DIRECT_INVOKE'],
    ['PATCH /v1.0/state/store', '', '404 ERR_DIRECT_INVOKE', '404 ERR_DIRECT_INVOKE'],
  ])('%s', async (line, body, none, others) => {
    const headers = ['dapr-key-name: k', 'dapr-key-wrap-algorithm: A256KW'];
    expect(brief(await send(bare, request(line, body, headers)))).toBe(none);
    expect(brief(await send(full, request(line, body, headers)))).toBe(others);
  });
});

const bodies: readonly (readonly [string, string])[] = [
  ['empty', ''],
  ['cut off', '{"a": [1, 2'],
  ['deep', '['.repeat(200_000)],
  ['deep and closed', `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`],
  ['NUL', '\u0000'],
  ['a text', '"text"'],
  ['a number', '7'],
  ['null', 'null'],
  ['a list of nulls', '[null]'],
  ['a prototype', '{"__proto__": {"keys": ["a"]}, "constructor": 1}'],
  ['numeric members', '{"keys": 1, "operation": 1, "operations": 1, "resourceId": 1, "lockOwner": 1, "filter": 1}'],
];
const jsonRoutes = [
  'POST /v1.0/state/store',
  'POST /v1.0/state/store/bulk',
  'POST /v1.0/state/store/transaction',
  'POST /v1.0-alpha1/state/store/query',
  'POST /v1.0/publish/bulk/pubsub/t',
  'POST /v1.0/bindings/files',
  'POST /v1.0-alpha1/lock/locks',
  'POST /v1.0-alpha1/unlock/locks',
];

describe.each(jsonRoutes)('%s', (line) => {
  it.each(bodies)('refuses a body that is %s', async (_, body) => {
    const answer = await send(full, request(line, body));
    if (answer.status >= 200 && answer.status < 300) return;
    expect([400, 500]).toContain(answer.status);
    expect(answer.code).toMatch(/^(?:ERR|DAPR)_/);
    if (body !== '7' && answer.status === 500)
      expect(answer.code).toMatch(/ERR_STATE_QUERY|ERR_INVOKE_OUTPUT_BINDING|ERR_STATE_STORE_NOT_SUPPORTED/);
  });
});

describe('state', () => {
  const save = (item: string): Promise<RawAnswer> => send(full, request('POST /v1.0/state/store', `[${item}]`));

  it.each([
    ['a numeric etag', '{"key":"e","value":1,"etag":1}', '400 ERR_MALFORMED_REQUEST'],
    ['no key', '{"value":1}', '400 ERR_MALFORMED_REQUEST'],
    ['an empty key', '{"key":"","value":1}', '400 ERR_MALFORMED_REQUEST'],
    ['a numeric key', '{"key":1,"value":1}', '400 ERR_MALFORMED_REQUEST'],
    ['a key with ||', '{"key":"a||b","value":1}', '400 ERR_MALFORMED_REQUEST'],
    ['a list as metadata', '{"key":"e","value":1,"metadata":[]}', '400 ERR_MALFORMED_REQUEST'],
    ['an unknown consistency', '{"key":"e","value":1,"options":{"consistency":"maybe"}}', '400 ERR_MALFORMED_REQUEST'],
    ['an unknown concurrency', '{"key":"e","value":1,"options":{"concurrency":"maybe"}}', '400 ERR_MALFORMED_REQUEST'],
    [
      'an etag that is not one of ours',
      '{"key":"e","value":1,"etag":"not an etag","options":{"concurrency":"first-write"}}',
      '409 ERR_STATE_SAVE',
    ],
    ['a ttl that is not a number', '{"key":"e","value":1,"metadata":{"ttlInSeconds":"soon"}}', '400 ERR_MALFORMED_REQUEST'],
  ])('refuses %s', async (_, item, expected) => {
    expect(brief(await save(item))).toBe(expected);
    expect((await send(full, request('GET /v1.0/state/store/e'))).status).toBe(204);
  });

  it('answers 409 to an etag that has passed', async () => {
    expect((await save('{"key":"once","value":1}')).status).toBe(204);
    const etag = /etag: *"?([^"\r\n]+)/i.exec((await send(full, request('GET /v1.0/state/store/once'))).head)?.[1] ?? '';
    expect((await save('{"key":"once","value":2}')).status).toBe(204);
    const late = `{"key":"once","value":3,"etag":"${etag}","options":{"concurrency":"first-write"}}`;
    expect(brief(await save(late))).toBe('409 ERR_STATE_SAVE');
    expect(brief(await send(full, request('DELETE /v1.0/state/store/once', '', [`If-Match: ${etag}`])))).toBe('409 ERR_STATE_DELETE');
  });

  it.each([
    ['GET /v1.0/state/store/a%7C%7Cb', '400 ERR_MALFORMED_REQUEST'],
    ['DELETE /v1.0/state/store/a%7C%7Cb', '400 ERR_MALFORMED_REQUEST'],
  ])('%s', async (line, expected) => expect(brief(await send(full, request(line)))).toBe(expected));

  it('refuses operations that it does not know', async () => {
    const body = '{"operations":[{"operation":"merge","request":{"key":"a"}}]}';
    expect(brief(await send(full, request('POST /v1.0/state/store/transaction', body)))).toBe('400 ERR_NOT_SUPPORTED_STATE_OPERATION');
  });
});

describe('bytes that are not quite HTTP', () => {
  it.each([
    ['a bad escape', request('GET /v1.0/state/store/%zz'), [400]],
    ['a cut escape', request('GET /v1.0/state/store/a%'), [400]],
    ['a NUL in the key', request('GET /v1.0/state/store/%00'), [400]],
    ['CR and LF in a key', request('GET /v1.0/state/store/a%0d%0aX-Evil:%201'), [204]],
    ['a NUL in a header', request('GET /v1.0/healthz', '', ['x-a: \0']), [400]],
    ['a header without a colon', request('GET /v1.0/healthz', '', ['nonsense']), [400]],
    ['a folded header', request('GET /v1.0/healthz', '', ['x-a: 1', ' folded']), [400]],
    ['a space before the colon', request('GET /v1.0/healthz', '', ['x-a : 1']), [400]],
    ['two lengths', request('POST /v1.0/publish/pubsub/t', 'ab', ['Content-Length: 7']), [400]],
    ['a length and chunks', request('POST /v1.0/publish/pubsub/t', '0\r\n\r\n', ['Transfer-Encoding: chunked']), [400]],
    ['a length that is not a number', 'POST /v1.0/publish/pubsub/t HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n', [400]],
    [
      'a chunk size that is not a number',
      'POST /v1.0/publish/pubsub/t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n',
      [400],
    ],
    ['no host', 'GET /v1.0/healthz HTTP/1.1\r\n\r\n', [400]],
    ['another version', 'GET /v1.0/healthz HTTP/3.7\r\nHost: a\r\n\r\n', [400, 505]],
    ['garbage', '\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n', [400]],
    ['a large header', request('GET /v1.0/healthz', '', [`x-a: ${'a'.repeat(20_000)}`]), [431]],
    [
      'many headers',
      request(
        'GET /v1.0/healthz',
        '',
        Array.from({ length: 1_500 }, (_, i) => `x-${i}: 1`),
      ),
      [431],
    ],
    ['a long target', request(`GET /v1.0/state/store/${'a'.repeat(20_000)}`), [414, 431]],
    ['an unknown method', request('BREW /v1.0/state/store'), [400, 404, 405, 501]],
    ['a path that climbs', request('GET /v1.0/../../etc/passwd'), [404]],
    ['a bad baggage', request('GET /v1.0/metadata', '', ['baggage: ,;==']), [400]],
  ])('%s', async (_, bytes, statuses) => {
    const answer = await send(full, bytes);
    expect(statuses).toContain(answer.status);
    expect(answer.head).not.toMatch(/x-evil/i);
  });

  it('a body that ends too early is not taken', async () => {
    const cut = 'POST /v1.0/state/store HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n[{"key":"cut","value":1}]';
    const answer = await send(full, cut, { halfClose: true });
    expect([0, 400]).toContain(answer.status);
    expect((await send(full, request('GET /v1.0/state/store/cut'))).status).toBe(204);
  });

  it.each(['/v1.0/state/store', '/v1.0/publish/pubsub/t', '/v1.0/bindings/files', '/v1.0-alpha1/lock/locks'])(
    'a body over the limit at %s is refused, announced or not',
    async (path) => {
      const announced = await send(full, `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999\r\n\r\n`);
      expect([400, 413]).toContain(announced.status);
      const piece = `100000\r\n${'a'.repeat(0x10_00_00)}\r\n`;
      const chunked = await send(full, `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${piece.repeat(5)}0\r\n\r\n`);
      expect([400, 413]).toContain(chunked.status);
    },
  );
});

it('lives on, small, after all of it', async () => {
  for (const sidecar of [full, bare]) expect((await sidecar.get('/v1.0/healthz/outbound')).status).toBe(204);
  const metrics = await (await fetch(`http://127.0.0.1:${full.metricsPort}/metrics`)).text();
  const rssBytes = Number(/^process_resident_memory_bytes(?:\{[^}]*\})? ([\d.e+]+)/m.exec(metrics)?.[1] ?? Number.NaN);
  expect(rssBytes).toBeLessThan(300 * 1024 * 1024);
});
