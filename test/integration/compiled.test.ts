import { Agent, createServer, request, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { component, createMachine, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';

// What is hot is compiled once and stays so. A function that the optimising compiler makes again and again, because it is given up or never finished, takes a core from the calls and
// runs slowly meanwhile; nothing but the compiler's own words tells.

/** Compilations of one function, finished or not, that a few seconds of load can give reasons for. */
const compiledMax = 8;
const callsPerKind = 15_000;
const width = 32;

const policy = (name: string, spec: string): string =>
  `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: ${name} }\nspec: ${spec}\n`;

/** Every class of policy, and none that stands in the way. */
const resources = {
  'caller.yaml': policy(
    'caller',
    `{ target: { app: called }, timeout: 5s, deadline: 10s, retry: {}, hedge: { after: 4s }, breaker: { per: target, errorRatio: 0.5, slowRatio: 0.5 }, bulkhead: {}, balance: {}, limits: [{ requests: 100000000 }] }`,
  ),
  'callee.yaml': policy(
    'callee',
    `{ target: { app: called, at: callee }, deadline: 10s, bulkhead: {}, limits: [{ requests: 100000000 }], system: { maxUtilisation: 1 }, admission: { initial: 1000 } }`,
  ),
  'state.yaml': component('store', 'state.proa'),
  'pubsub.yaml': component('bus', 'pubsub.proa'),
};

/** How often the compiler took up each function, by the place that V8 gives it in memory, which is one per function of the source. */
function compilations(output: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [, name] of output.matchAll(/^\[compiling method 0x[0-9a-f]+ <JSFunction (.*?\(sfi = 0x[0-9a-f]+\))>/gm)) {
    counts.set(name as string, (counts.get(name as string) ?? 0) + 1);
  }
  return counts;
}

describe('under load', () => {
  let place: TestMachine;
  let app: Server;
  let caller: TestSidecar;
  let called: TestSidecar;
  const agent = new Agent({ keepAlive: true, maxSockets: width });

  beforeAll(async () => {
    place = createMachine();
    app = createServer((_request, response) => void response.end('{"ok":true}'));
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
    const { port } = app.address() as { port: number };
    const options = { machine: place, resources, flags: ['--enable-mtls', '--log-level', 'error'], nodeFlags: ['--trace-opt'] };
    called = await startSidecar({ ...options, appId: 'called', appPort: String(port) });
    caller = await startSidecar({ ...options, appId: 'caller' });
    await Promise.all([caller.ready(), called.ready()]);
  });

  afterAll(async () => {
    agent.destroy();
    await Promise.all([caller?.stop(), called?.stop()]);
    app?.close();
    place?.remove();
  });

  function once(path: string, json?: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = {
        host: '127.0.0.1',
        ...(json !== undefined && { 'content-type': 'application/json', 'content-length': json.length }),
      };
      const sent = request(
        { agent, host: '127.0.0.1', port: caller.httpPort, path, method: json === undefined ? 'GET' : 'POST', headers },
        (answer) => {
          answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
        },
      );
      sent.once('error', reject).end(json);
    });
  }

  async function load(path: string, json?: string): Promise<void> {
    const statuses = new Set<number>();
    let left = callsPerKind;
    const worker = async (): Promise<void> => {
      while (left-- > 0) statuses.add(await once(path, json));
    };
    await Promise.all(Array.from({ length: width }, worker));
    expect([...statuses].every((status) => status >= 200 && status < 300)).toBe(true);
  }

  it('no function is compiled again and again, on neither side', async () => {
    await load('/v1.0/invoke/called/method/x');
    await load('/v1.0/state/store', '[{"key":"k","value":1}]');
    await load('/v1.0/state/store/k');
    await load('/v1.0/publish/bus/t', '{"a":1}');
    for (const { output } of [caller, called]) {
      const counts = compilations(output());
      // The flag works, and what is hot was compiled at all.
      expect(counts.size).toBeGreaterThan(50);
      expect([...counts].filter(([, count]) => count > compiledMax)).toEqual([]);
    }
  });
});
