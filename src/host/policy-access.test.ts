import { generateKeyPairSync } from 'node:crypto';
import { exportJWK, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import type { HttpClient } from '../contracts/http-client.ts';
import { bytesBody } from '../kernel/body.ts';
import { governTarget, loadYaml, type GovernedOptions, type GovernedTarget } from '../testing/simulator/governed-target.ts';

const policy = (name: string, spec: string): string =>
  `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: ${name} }\nspec: ${spec}\n---\n`;
const own = (settings: string, match = '', name = 'p'): string =>
  policy(name, `{ target: { app: orders, at: callee }, ${match === '' ? '' : `match: ${match}, `}${settings} }`);
const inbound = { operation: 'receive', direction: 'inbound' } as const;
const governed = (yaml: string, more: Partial<GovernedOptions> = {}): Promise<GovernedTarget> =>
  governTarget({ yaml, target: inbound, ...more });

describe('admission', () => {
  const small = 'admission: { initial: 2, min: 2, max: 2, queue: 2, maxWait: 500ms, shares: { default: 1, sheddable: 0.5 } }';

  it('lets as many in as its limit says, lets some wait, and refuses the rest at once', async () => {
    const target = await governed(own(small), { answer: () => ({ afterMs: 100 }) });
    for (let i = 0; i < 5; i++) target.call();
    await target.pass(300);
    expect(target.transcript()).toMatchInlineSnapshot(`
      "     0 attempt 1
           0 attempt 2
           0 call 5: shed
         100 call 1: 200
         100 call 2: 200
         100 attempt 3
         100 attempt 4
         200 call 4: 200
         200 call 3: 200"
    `);
  });

  it('sheds what matters least first, and gives it only its share', async () => {
    const target = await governed(own(small), { answer: () => ({ afterMs: 100 }) });
    const low = ['proa-priority', 'sheddable'];
    for (let i = 0; i < 4; i++) target.call({ headers: low });
    await target.pass(1);
    target.call({ headers: ['proa-priority', 'critical'] });
    target.call({ headers: ['proa-priority', 'critical'] });
    await target.pass(400);
    const ends = target.lines.filter((line) => line.includes('call')).map((line) => line.trim());
    // One of the low runs, two wait; the second critical call takes the place of one that waits.
    expect(ends.filter((line) => line.includes('shed'))).toHaveLength(2);
    expect(ends.find((line) => line.includes('call 5'))).toBe('101 call 5: 200');
    expect(ends.find((line) => line.includes('call 6'))).toMatch(/200$/);
  });

  it('takes the priority from a policy for some calls', async () => {
    const yaml = own(small) + own('priority: sheddable', '{ path: /bulk/** }', 'q');
    const target = await governed(yaml, { answer: () => ({ afterMs: 100 }) });
    target.call({ path: 'bulk/1' });
    target.call({ path: 'bulk/2', headers: ['proa-priority', 'critical'] });
    target.call({ path: 'x' });
    await target.pass(50);
    expect(target.lines.filter((line) => line.includes('attempt'))).toHaveLength(2);
  });

  it('ends a wait after its time, with its caller, and gives places back', async () => {
    const target = await governed(own(small), { answer: () => ({ afterMs: 2_000 }) });
    target.call();
    target.call();
    const waiting = target.call();
    target.call();
    waiting.cancel();
    await target.pass(600);
    expect(target.lines.filter((line) => line.includes('call'))).toEqual(['     0 call 3: cancelled', '   500 call 4: shed']);
    await target.pass(2_000, 100);
    target.call();
    await target.pass(100);
    expect(target.lines.at(-1)).toContain('attempt 3');
  });
});

describe('faults', () => {
  it('delay and abort a share of the calls, on the logical call', async () => {
    const yaml = policy(
      'p',
      '{ target: { app: orders }, retry: { maxRetries: 3 }, fault: { delay: { percent: 50, min: 100ms, max: 300ms }, abort: { percent: 50, status: 418 } } }',
    );
    // Draws: delay?, abort?, length.
    const target = await governTarget({ yaml, drawn: [0.4, 0.6, 0.5, 0.9, 0.1, 0.6, 0.6] });
    for (let i = 0; i < 3; i++) {
      target.call();
      await target.pass(500);
    }
    expect(target.transcript()).toMatchInlineSnapshot(`
      "   200 attempt 1
         200 call 1: 200
         500 call 2: 418
        1000 attempt 2
        1000 call 3: 200"
    `);
  });

  it('end with their caller, and make components unavailable', async () => {
    const delay = await governTarget({ yaml: policy('p', '{ target: { app: orders }, fault: { delay: { fixed: 1s } } }') });
    const call = delay.call();
    await delay.pass(100);
    call.cancel();
    expect(await call.done).toBe('cancelled');
    expect(delay.clock.waiting).toBe(0);
    const yaml = policy('p', '{ target: { component: store }, match: { operations: [set] }, fault: { abort: { status: 500 } } }');
    const target = { block: 'state', name: 'store', direction: 'outbound' } as const;
    expect(await (await governTarget({ yaml, target: { ...target, operation: 'set' } })).call().done).toBe('unavailable');
    expect(await (await governTarget({ yaml, target: { ...target, operation: 'get' } })).call().done).toBe('200');
  });
});

describe('authorisation', () => {
  it('denies what no policy allows as soon as one exists, and a denial wins', async () => {
    const yaml =
      own('authorise: { action: allow }', '{ callers: [web] }', 'a') +
      own('authorise: { action: deny }', '{ path: /admin/** }', 'b') +
      own('authorise: { action: allow }', '{ path: /health, methods: [GET] }', 'c');
    const target = await governed(yaml);
    const end = (caller: string, path: string, method = 'GET'): Promise<string> => target.call({ caller, path, method }).done;
    expect(await end('web', 'orders')).toBe('200');
    expect(await end('web', 'admin/users')).toBe('invoke.denied');
    expect(await end('other', 'orders')).toBe('invoke.denied');
    expect(await end('other', 'health')).toBe('200');
    expect(await end('other', 'health', 'POST')).toBe('invoke.denied');
    expect(target.lines.filter((line) => line.includes('attempt'))).toHaveLength(2);
  });

  it('tells in dry run what it would refuse, and refuses nothing', async () => {
    const yaml = own('authorise: { action: allow, dryRun: true }', '{ callers: [web] }');
    const target = await governed(yaml);
    expect([await target.call({ caller: 'web' }).done, await target.call({ caller: 'x' }).done]).toEqual(['200', '200']);
    expect(target.lines.filter((line) => line.includes('warning'))).toEqual([
      '     0 warning: a policy in dry run would refuse a call: no policy allows the call',
    ]);
  });

  it('is never covered up by a fallback', async () => {
    const target = await governed(own('authorise: { action: deny }, fallback: { answer: {} }'));
    expect(await target.call().done).toBe('invoke.denied');
  });
});

describe('authorisation by token', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let http: HttpClient;
  let asked = 0;
  const token = (claims: Record<string, unknown>, more: { audience?: string; expires?: string } = {}): Promise<string> =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setIssuer('https://issuer.example')
      .setAudience(more.audience ?? 'orders')
      .setIssuedAt(1_700_000_000)
      .setExpirationTime(more.expires ?? (1_700_000_600 as never))
      .sign(privateKey);

  beforeAll(async () => {
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' };
    http = {
      request: () => {
        asked++;
        return Promise.resolve({
          status: 200,
          headers: ['content-type', 'application/json'],
          body: bytesBody(Buffer.from(JSON.stringify({ keys: [jwk] }))),
        });
      },
      close: () => Promise.resolve(),
    };
  });

  const yaml = own(
    'authorise: { action: allow, token: { issuer: "https://issuer.example", audience: orders, jwksUri: "https://issuer.example/keys", claims: { realm.role: [admin, ops], scope: write } } }',
  );
  const call = async (target: GovernedTarget, authorization?: string): Promise<string> =>
    target.call(authorization === undefined ? {} : { headers: ['authorization', authorization] }).done;

  it('allows whoever has the claims, verifies a token once and then knows it', async () => {
    const target = await governed(yaml, { http });
    asked = 0;
    const good = await token({ realm: { role: ['ops'] }, scope: 'read write' });
    expect([await call(target, `Bearer ${good}`), await call(target, `bearer ${good}`)]).toEqual(['200', '200']);
    expect(asked).toBe(1);
    expect(await call(target, `Bearer ${await token({ realm: { role: 'guest' }, scope: 'write' })}`)).toBe('invoke.denied');
    expect(await call(target, `Bearer ${await token({ realm: { role: 'ops' } })}`)).toBe('invoke.denied');
  });

  it('refuses tokens of others, for others, expired, damaged or absent', async () => {
    const target = await governed(yaml, { http });
    const claims = { realm: { role: 'admin' }, scope: 'write' };
    const good = await token(claims);
    const wrong = [
      undefined,
      'Basic x',
      'Bearer x.y.z',
      `Bearer ${good.slice(0, -4)}AAAA`,
      `Bearer ${await token(claims, { audience: 'else' })}`,
      `Bearer ${await token(claims, { expires: 1_600_000_000 as never })}`,
      `Bearer ${'x'.repeat(20_000)}`,
    ];
    for (const text of wrong) expect(await call(target, text)).toBe('invoke.denied');
    expect(await call(target, `Bearer ${good}`)).toBe('200');
  });

  it('answers 503 while the keys cannot be had', async () => {
    const target = await governed(yaml);
    expect(await call(target, `Bearer ${await token({})}`)).toBe('unavailable');
  });
});

describe('progressive delivery', () => {
  it('divides calls by weight; what sticks stays where it is, also when the canary grows', async () => {
    const canary = (weight: number): string =>
      policy(
        'p',
        `{ target: { app: orders }, split: { sticky: { header: user }, targets: [{ app: stable, weight: ${100 - weight} }, { app: canary, weight: ${weight} }] } }`,
      );
    const target = await governTarget({ yaml: canary(10) });
    const homes = async (): Promise<string[]> => {
      const found: string[] = [];
      for (let i = 0; i < 400; i++) found.push((await target.answer({ headers: ['user', `u${i}`] })).headers[1] as string);
      return found;
    };
    const before = await homes();
    expect(before.filter((home) => home === 'canary').length).toBeGreaterThan(20);
    expect(before.filter((home) => home === 'canary').length).toBeLessThan(65);
    expect(await homes()).toEqual(before);
    await target.reload(canary(50));
    const after = await homes();
    expect(after.filter((home) => home === 'canary').length).toBeGreaterThan(160);
    before.forEach((home, i) => home === 'canary' && expect(after[i]).toBe('canary'));
  });

  it('sends calls with a header to a version', async () => {
    const yaml = policy(
      'p',
      '{ target: { app: orders }, match: { headers: [{ name: x-beta, exact: "1" }] }, split: { targets: [{ version: v2, weight: 1 }] } }',
    );
    const seen: string[] = [];
    const target = await governTarget({ yaml, answer: ({ call: made }) => (seen.push(JSON.stringify(made.context.value ?? '')), {}) });
    await target.call({ headers: ['x-beta', '1'] }).done;
    await target.call().done;
    expect(seen).toEqual(['"v2"', '""']);
  });

  it('copies a share of the calls to another app when they have ended, without their answer', async () => {
    const yaml = policy('p', '{ target: { app: orders }, mirror: { app: shadow, percent: 50 } }');
    const copies: string[] = [];
    const target = await governTarget({
      yaml,
      drawn: [0.1, 0.9],
      invoked: (copy) => copies.push(`${copy.input.appId} ${copy.input.path} ${copy.priority} ${copy.input.headers.join('=')}`),
    });
    for (const path of ['a', 'b', 'c'])
      expect(await target.call({ path, method: 'POST', body: bytesBody(Buffer.from('x')) }).done).toBe('200');
    await target.pass(10);
    expect(copies).toEqual(['shadow a sheddable proa-mirror=true', 'shadow c sheddable proa-mirror=true']);
  });
});

describe('access and delivery, read', () => {
  it('warns about a priority that nothing looks at', async () => {
    expect((await loadYaml(own('priority: critical'))).problems).toMatchObject([{ severity: 'warning', code: 'config.ignored' }]);
    expect((await loadYaml(own('priority: critical') + own('admission: {}', '', 'q'))).problems).toEqual([]);
  });

  it.each([
    [own('admission: { initial: 5 }'), /min, initial and max must be in this order/],
    [own('admission: { shares: { default: 0.2 } }'), /shares must fall from critical over default to sheddable/],
    [own('priority: high'), /must be one of critical, default, sheddable/],
    [own('fault: {}'), /needs delay or abort/],
    [own('fault: { delay: { min: 2s, max: 1s } }'), /needs either fixed, or min and max/],
    [own('fault: { abort: { percent: 5 } }'), /needs either status or grpcStatus/],
    [own('authorise: {}'), /`action` is missing/],
    [own('authorise: { action: allow, token: { issuer: x, audience: y } }'), /must be an http or https URL/],
    [
      policy('p', '{ target: { app: orders }, authorise: { action: allow } }'),
      /spec.authorise does not act at this target; it does at: app at callee/,
    ],
    [policy('p', '{ target: { app: orders }, split: { targets: [] } }'), /must hold 1 to 20 targets/],
    [policy('p', '{ target: { app: orders }, split: { targets: [{ version: a, weight: 0 }] } }'), /must not all be 0/],
    [policy('p', '{ target: { app: orders }, split: { targets: [{ weight: 1 }] } }'), /each needs either version or app/],
    [policy('p', '{ target: { app: orders }, mirror: { app: x, percent: 200 } }'), /must be a number from 0 to 100/],
  ])('%s', async (yaml, expected) => {
    expect((await loadYaml(yaml)).problems.map(({ message }) => message)).toEqual([expect.stringMatching(expected)]);
  });
});
