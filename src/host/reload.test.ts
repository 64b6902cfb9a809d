import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appSpec } from '../../test/fixtures/app-spec.ts';
import { nodePorts } from '../ports/node/index.ts';
import type { HostEvent, RunningHost } from './host-api.ts';
import { startHost } from './host.ts';

const component = (name: string, type: string, lines: readonly string[] = [], more: readonly string[] = []): string =>
  [
    'apiVersion: dapr.io/v1alpha1',
    'kind: Component',
    `metadata: { name: ${name} }`,
    `spec: { type: ${type}, version: v1, metadata: [${lines.join(', ')}] }`,
    ...more,
    '',
  ].join('\n');
const subscription = (path: string): string =>
  `apiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata: { name: all }\nspec: { pubsubname: bus, topic: things, routes: { default: ${path} } }\n`;
const configuration = (enabled: boolean): string =>
  `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: { name: c }\nspec: { features: [{ name: X, enabled: ${enabled} }] }\n`;

let directory: string;
let app: Server;
let host: RunningHost;
let events: HostEvent[];
let got: { path: string; n: number }[];

const write = (name: string, text: string): void => writeFileSync(join(directory, 'resources', name), text);
const api = (path: string, init?: RequestInit): Promise<Response> => fetch(`http://127.0.0.1:${host.apps[0]?.httpPort}/v1.0${path}`, init);

async function until(what: string, check: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!check()) {
    if (Date.now() > deadline) throw new Error(`did not happen: ${what}\n${JSON.stringify(events.slice(-5))}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Changes files and waits until they are in effect. */
async function change(files: Readonly<Record<string, string>>): Promise<string> {
  const before = events.length;
  for (const [name, text] of Object.entries(files)) write(name, text);
  let found: HostEvent | undefined;
  await until('the files are in effect', () => (found = events.slice(before).find(({ kind }) => kind === 'reloaded')) !== undefined);
  return found?.kind === 'reloaded' ? found.summary : '';
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'proa-reload-'));
  mkdirSync(join(directory, 'resources'));
  events = [];
  got = [];
  app = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const text = Buffer.concat(parts).toString();
      if (request.method === 'POST') got.push({ path: String(request.url), n: (JSON.parse(text) as { data: { n: number } }).data.n });
      else response.statusCode = 404;
      response.end();
    });
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  write('../config.yaml', configuration(false));
  write('store.yaml', component('store', 'state.proa'));
  write('bus.yaml', component('bus', 'pubsub.proa'));
  write('subscription.yaml', subscription('/first'));
  writeFileSync(join(directory, 'a.json'), '{"prefix":"none"}');
  writeFileSync(join(directory, 'b.json'), '{"prefix":"name"}');
  const spec = appSpec('app', {
    appPort: (app.address() as { port: number }).port,
    resourcePaths: [join(directory, 'resources')],
    configPaths: [join(directory, 'config.yaml')],
    defaults: 'when-empty',
  });
  host = await startHost({
    ports: nodePorts(),
    apps: [spec],
    shared: { dataDirectory: join(directory, 'data'), logLevel: 'info', logFormat: 'json', graceMs: 5_000, mode: 'run' },
    events: (event) => void events.push(event),
  });
  await host.apps[0]?.ready;
});

afterEach(async () => {
  await host.stop('end of the test');
  await new Promise((resolve) => app.close(resolve));
  rmSync(directory, { recursive: true, force: true });
});

const save = (key: string, value: unknown): Promise<Response> =>
  api('/state/store', { method: 'POST', body: JSON.stringify([{ key, value }]) });
const publish = (n: number): Promise<Response> =>
  api('/publish/bus/things', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ n }) });

describe('changed files', () => {
  it('exchange store, broker and subscription under load: nothing fails, nothing is lost, all is effective', async () => {
    const failures: string[] = [];
    let published = 0;
    let writing = true;
    const load = async (): Promise<void> => {
      while (writing) {
        const n = published++;
        for (const answer of [await save(`k${n}`, n), await publish(n), await api(`/state/store/k${n}`)]) {
          if (!answer.ok) failures.push(`${answer.url}: ${answer.status} ${await answer.text()}`);
        }
      }
    };
    const loads = [load(), load()];
    await until('events arrive', () => got.length > 20);
    await save('kept', 'old prefix');
    expect(await change({ 'store.yaml': component('store', 'state.proa', ['{ name: keyPrefix, value: other }']) })).toContain(
      'changed store',
    );
    expect((await api('/state/store/kept')).status).toBe(204);
    expect(await change({ 'bus.yaml': component('bus', 'pubsub.proa', ['{ name: redeliverInterval, value: 2s }']) })).toContain(
      'changed bus',
    );
    expect(await change({ 'subscription.yaml': subscription('/second') })).toContain('changed all');
    await until('events take the new route', () => got.some(({ path }) => path === '/second'));
    writing = false;
    await Promise.all(loads);
    expect(failures).toEqual([]);
    await until('every event arrives', () => new Set(got.map(({ n }) => n)).size === published);
  });

  it('open what takes its secrets from a changed store again, and keep what cannot be opened', async () => {
    const secrets = (file: string): string =>
      component('secrets', 'secretstores.local.file', [`{ name: secretsFile, value: ${join(directory, file)} }`]);
    const store = component(
      'store',
      'state.proa',
      ['{ name: keyPrefix, secretKeyRef: { name: prefix, key: prefix } }'],
      ['auth: { secretStore: secrets }'],
    );
    await change({ 'secrets.yaml': secrets('a.json'), 'store.yaml': store });
    await save('x', 'unprefixed');
    await change({ 'secrets.yaml': secrets('b.json') });
    expect((await api('/state/store/x')).status).toBe(204);
    await save('x', 'prefixed');
    await change({ 'store.yaml': component('store', 'state.proa', ["{ name: keyPrefix, value: 'a||b' }"]) });
    expect(await (await api('/state/store/x')).text()).toBe('"prefixed"');
    const lines = events.flatMap((event) => (event.kind === 'log' ? [event.line] : []));
    expect(lines.find((line) => line.includes('the previous one stays'))).toMatch(/store\.yaml:\d+.*keyPrefix/);
  });

  it('restart the runtime inside the process when the configuration changes, again and again, on the same ports', async () => {
    const port = host.apps[0]?.httpPort;
    await save('x', 1);
    for (const enabled of [true, false, true]) {
      expect(await change({ '../config.yaml': configuration(enabled) })).toContain('restarted inside the process');
      expect(host.apps[0]?.httpPort).toBe(port);
      expect(await (await api('/state/store/x')).text()).toBe('1');
    }
    await host.apps[0]?.ready;
    await publish(7);
    await until('the subscription is there again', () => got.some(({ n }) => n === 7));
  });

  it('are no reason to restart with less when somebody asks for a restart and they have errors', async () => {
    await save('x', 1);
    write('store.yaml', 'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: store }\nspec: {}\n');
    await host.restart();
    expect(await (await api('/state/store/x')).text()).toBe('1');
    expect(logged()).toContain('not restarted: the files have errors');
  });

  it('with errors are told and stay out of effect, also when they are mended; warnings of new files are told once', async () => {
    const policy = (target: string, key: string): string =>
      `apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: p }\nspec: { target: { app: ${target} }, ${key}: 1s }\n`;
    const problems = (): string[] =>
      events.flatMap((event) => (event.kind === 'problems' ? event.problems.map(({ message }) => message) : []));
    write('policy.yaml', policy('app', 'timeuot'));
    await until('the error is told', () => problems().length > 0);
    expect(problems()).toEqual(['spec: unknown key `timeuot`']);
    await until('what becomes of it is told', () => logged().includes('the files have errors: what was in effect stays'));
    rmSync(join(directory, 'resources', 'policy.yaml'));
    expect(await change({})).toBe('the files have no errors any more, and say what is in effect');
    expect(await change({ 'policy.yaml': policy('ap', 'timeout') })).toBe('new policies');
    expect(
      await change({ 'policy.yaml': `${policy('ap', 'timeout')}---\n${policy('app', 'deadline').replace('name: p', 'name: q')}` }),
    ).toBe('new policies');
    expect(problems().slice(1)).toEqual(['Policy "p": there is no app named "ap"']);
  });

  it('that cannot be opened again are told, and the restart that was asked for ends no process', async () => {
    await change({
      'secrets.yaml': component('secrets', 'secretstores.local.file', [`{ name: secretsFile, value: ${join(directory, 'a.json')} }`]),
    });
    rmSync(join(directory, 'a.json'));
    await host.restart();
    expect(logged()).toContain('nor could the former');
  });
});

const logged = (): string => events.flatMap((event) => (event.kind === 'log' ? [event.line] : [])).join('\n');
