import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { component, createMachine, eventually, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';
import { startApp, type TestApp } from './test-app.ts';

// Two runtimes in processes of their own, the app of one of them flaky: the command has to tell what happened to single calls, from both halves.
const command = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));
const policies = `apiVersion: proa.dev/v1alpha1
kind: Policy
metadata: { name: shop-calls }
spec:
  target: { app: shop }
  match: { path: /flaky }
  retry:
    maxRetries: 2
    backoff: { initial: 5ms, max: 5ms }
  breaker:
    consecutive: 3
    open: 1m
---
apiVersion: proa.dev/v1alpha1
kind: Policy
metadata: { name: shop-limit }
spec:
  target: { app: shop }
  match: { path: /limited }
  limits: [{ requests: 0 }]
---
apiVersion: proa.dev/v1alpha1
kind: Policy
metadata: { name: shop-fault }
spec:
  target: { app: shop }
  match: { path: /fault }
  fault: { abort: { status: 500 } }
---
apiVersion: proa.dev/v1alpha1
kind: Policy
metadata: { name: shop-deadline }
spec:
  target: { app: shop }
  match: { path: /slow }
  deadline: 50ms
`;
const access = `apiVersion: proa.dev/v1alpha1
kind: Policy
metadata: { name: shop-door }
spec:
  target: { app: shop, at: callee }
  match: { path: /private }
  authorise: { action: deny }
---
apiVersion: proa.dev/v1alpha1
kind: Policy
metadata: { name: shop-open }
spec:
  target: { app: shop, at: callee }
  authorise: { action: allow }
`;

const storePolicy = `apiVersion: proa.dev/v1alpha1
kind: Policy
metadata: { name: store-sets }
spec:
  target: { component: store }
  match: { operations: [set] }
  timeout: 3s
`;

let machine: TestMachine;
let app: TestApp;
let web: TestSidecar;
let shop: TestSidecar;
let env: Record<string, string>;

beforeAll(async () => {
  machine = createMachine();
  env = { ...machine.env, NO_COLOR: '1' };
  app = await startApp(({ path }) => {
    if (path === '/slow') return 'hang';
    if (path === '/lazy') return { afterMs: 1_050 };
    if (path === '/flaky') return { status: 503 };
    return path === '/fine' || path === '/private' ? { status: 200 } : undefined;
  });
  shop = await startSidecar({ appId: 'shop', appPort: app.port, machine, env, resources: { 'access.yaml': access } });
  web = await startSidecar({
    appId: 'web',
    machine,
    env,
    resources: { 'policies.yaml': policies, 'store.yaml': component('store', 'state.in-memory'), 'store-policy.yaml': storePolicy },
  });
  await shop.ready();
  await web.ready();
  await eventually(async () => (await invoke('fine')).status === 200, 'web finds shop');
});
afterAll(async () => {
  await web.stop();
  await shop.stop();
  await app.close();
  machine.remove();
});

async function invoke(path: string, to = 'shop'): Promise<{ status: number; traceId: string }> {
  const answer = await web.get(`/v1.0/invoke/${to}/method/${path}`);
  await answer.text();
  return { status: answer.status, traceId: answer.headers.get('traceparent')?.slice(3, 35) ?? '' };
}

function proa(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [command, ...args], { env: { ...process.env, ...env } }, (_error, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

describe('proa why', () => {
  it('shows three attempts, the breaker that opened, and the refusal of the next call, with the lines of the policy', async () => {
    const first = await invoke('flaky');
    expect(first.status).toBe(503);
    const told = await proa('why', first.traceId);
    expect(told).toMatchObject({ code: 0, err: '' });
    expect(told.out).toMatch(/web calls shop {2}GET \/flaky/);
    for (const number of [1, 2, 3]) expect(told.out).toMatch(new RegExp(`attempt ${number} +at .* 503 · shop-`));
    expect(told.out).toMatch(/attempt 3 .* breaker closed, then open/);
    expect(told.out).toMatch(
      /retry +attempt 1 failed \(status 503\); repetition 1 of 2 follows.*\n +Policy "shop-calls", .*policies\.yaml:7/,
    );
    expect(told.out).toMatch(
      /breaker +the circuit breaker of shop-\S+ was closed and is open now\n +Policy "shop-calls", .*policies\.yaml:10/,
    );
    expect(told.out.match(/shop is called by web {2}GET \/flaky/g)).toHaveLength(3);

    const second = await invoke('flaky');
    const refused = await proa('why', `00-${second.traceId}-00f067aa0ba902b7-00`);
    expect(refused.out).toMatch(/breaker +the circuit breakers of its only instance are open\n +Policy "shop-calls", .*policies\.yaml:10/);
    expect(refused.out).toContain('refused:breaker');
    expect(refused.out).not.toContain('shop is called');
  });

  it.each([
    ['limited', 'refused:limit', /Policy "shop-limit", .*policies\.yaml:20/],
    ['fault', 'refused:fault', /Policy "shop-fault", .*policies\.yaml:28/],
    ['slow', 'refused:deadline', /Policy "shop-deadline", .*policies\.yaml:36/],
    ['private', 'refused:access', /Policy "shop-door" denies the call\n +Policy "shop-door", .*access\.yaml:7/],
  ])('names what refused /%s', async (path, flag, line) => {
    const { traceId, status } = await invoke(path);
    expect(status).toBeGreaterThanOrEqual(400);
    const { out, code } = await proa('why', traceId);
    expect(code).toBe(0);
    expect(out).toContain(flag);
    expect(out).toMatch(line);
  });

  it('remembers a slow call on both sides', async () => {
    const { traceId, status } = await invoke('lazy');
    expect(status).toBe(200);
    await eventually(async () => {
      const { out } = await proa('why', traceId);
      return (
        /web calls shop {2}GET \/lazy {2}200\n +flags +slow/.test(out) &&
        /shop is called by web[^]*flags +slow[^]*app +the app took \d/.test(out)
      );
    }, 'both halves are known');
  });

  it('says that an app is unknown', async () => {
    const { traceId } = await invoke('x', 'nobody');
    const { out } = await proa('why', traceId);
    expect(out).toMatch(/web calls nobody/);
    expect(out).toContain('no instance of app "nobody" is known');
  });

  it('joins the halves in JSON, and remembers a sampled call that went well', async () => {
    const traceId = '0123456789abcdef0123456789abcdef';
    await web.get('/v1.0/invoke/shop/method/fine', { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } });
    await eventually(async () => {
      const { out, code } = await proa('why', traceId, '--json');
      if (code !== 0) return false;
      const { calls } = JSON.parse(out) as { calls: { app: string; side: string; ok: boolean }[] };
      return JSON.stringify(calls.map(({ app: of, side, ok }) => [of, side, ok])) === '[["web","outbound",true],["shop","inbound",true]]';
    }, 'both halves are known');
  });

  it('says what to do when nothing is known, and refuses what is no id', async () => {
    expect(await proa('why', 'f'.repeat(32))).toMatchObject({
      code: 4,
      err: expect.stringContaining('no runtime of this machine remembers') as string,
    });
    expect((await proa('why', 'xyz')).code).toBe(2);
    expect((await web.get('/proa/v1/why/xyz')).status).toBe(400);
  });
});

describe('the admin API', () => {
  it('explains what is in force in the running runtimes, parameter by parameter', async () => {
    const { out, code } = await proa('explain', 'shop', 'GET', '/flaky', '--app-id', 'web');
    expect(code).toBe(0);
    expect(out).toContain('in the running runtime of web');
    expect(out).toMatch(/retries: 2 {2}\(.*policies\.yaml:8\)/);
    expect(out).toMatch(/budget: 20 % \+ 10\/s {2}\(built in\)/);
    expect(out).toContain('in the running runtime of shop');
    expect((await web.get('/proa/v1/explain')).status).toBe(400);
  });

  it('explains what is around a component of a running runtime', async () => {
    const { out, code, err } = await proa('explain', '--component', 'store', 'set');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('store (state.in-memory) in the running runtime of web, policies version');
    expect(out).toMatch(/calls of the app, set, outermost first\n[^]* timeout: 3s {2}\(.*store-policy\.yaml:7\)/);
    expect((await proa('explain', '--component', 'store', 'get', '--app-id', 'web')).out).not.toContain('3s');
    const all = JSON.parse((await proa('explain', '--component', 'store', '--json')).out) as [{ stacks: { operation?: string }[] }];
    expect(all[0].stacks.map(({ operation }) => operation)).toEqual([undefined, 'set']);
    expect(await proa('explain', '--component', 'stare')).toMatchObject({
      code: 4,
      err: expect.stringContaining('no app of this machine has a component "stare"') as string,
    });
    expect((await web.get('/proa/v1/explain/stare')).status).toBe(404);
  });

  it('tells where every setting comes from', async () => {
    const config = (await (await web.get('/proa/v1/config')).json()) as {
      settings: { name: string; origin: unknown }[];
      resources: { kind: string; name: string; origin: unknown }[];
    };
    const origin = (name: string) => config.settings.find((each) => each.name === name)?.origin;
    expect(origin('app-id')).toEqual({ from: 'flag', name: 'app-id' });
    expect(origin('app-protocol')).toEqual({ from: 'default' });
    expect(config.resources.find(({ name }) => name === 'shop-limit')).toMatchObject({
      kind: 'Policy',
      origin: { from: 'file', at: expect.stringMatching(/policies\.yaml:20$/) as string },
    });
  });
});
