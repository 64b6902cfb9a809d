import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

// `proa wf`, `proa actor` and `proa job` as a user types them, against an app of the built package.
const root = fileURLToPath(new URL('../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'proa-wf-'));
const env = { ...process.env, PROA_STATE_DIR: join(directory, 'state'), NO_COLOR: '1' };

const flows = (second: string) => `
import { workflow } from 'proa/sdk';
export const order = workflow({ name: 'order' }, async (ctx, item) => {
  const reserved = await ctx.run('reserve', () => 'reserved ' + item);
  await ctx.run('${second}', () => 'charged');
  return (await ctx.waitFor('go')) + ' ' + reserved;
});
`;
const app = `
import { createApp, defineActor, serve } from 'proa/sdk';
import { order } from './flows.mjs';
const cart = defineActor('Cart', {
  async add(actor, item) {
    actor.state.set('items', [item]);
    await actor.remind('abandoned', { dueTime: '48h' });
    return 1;
  },
}, { async onReminder() {} });
await serve(createApp().workflow(order).host(cart).onJob('nightly', () => {}));
`;

interface Done {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

let runtime: ChildProcess;

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [join(root, 'dist/bin/proa.cjs'), ...args], { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
}

function proa(...args: string[]): Promise<Done> {
  const child = start(args);
  let [out, err] = ['', ''];
  child.stdout?.on('data', (part: Buffer) => (out += part.toString()));
  child.stderr?.on('data', (part: Buffer) => (err += part.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}

beforeAll(async () => {
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(root, join(directory, 'node_modules/proa'));
  writeFileSync(join(directory, 'flows.mjs'), flows('charge'));
  writeFileSync(join(directory, 'renamed.mjs'), flows('bill'));
  writeFileSync(join(directory, 'app.mjs'), app);
  runtime = start(['run', '--app-id', 'shop', '--data-dir', 'data', '--', 'node', 'app.mjs']);
  let printed = '';
  await new Promise<void>((resolve, reject) => {
    const hear = (part: Buffer): void => {
      printed += part.toString();
      if (/│ ready/.test(printed)) resolve();
    };
    runtime.stdout?.on('data', hear);
    runtime.stderr?.on('data', hear);
    runtime.once('exit', () => reject(new Error(`the app ended: ${printed}`)));
  });
});

afterAll(async () => {
  const ended = new Promise((resolve) => runtime.once('exit', resolve));
  runtime.kill('SIGTERM');
  await ended;
  rmSync(directory, { recursive: true, force: true });
});

/** The history once both steps are in it. */
async function recorded(id: string): Promise<string> {
  for (;;) {
    const { code, out, err } = await proa('wf', 'history', id, '--json');
    if (code !== 0) throw new Error(err);
    if (out.split('taskCompleted').length > 2) return out;
  }
}

describe('proa wf', () => {
  it('refuses data that are not JSON, and shows how to write them', async () => {
    expect(await proa('wf', 'start', 'order', '--data', 'tea', '--id', 'x')).toEqual({
      code: 2,
      out: '',
      err: `error: --data is not JSON: tea\n  help: a text has double quotes around it: --data '"tea"'\n`,
    });
    expect(await proa('wf', 'raise', 'x', 'go', '--data', '{sku:1}')).toMatchObject({
      code: 2,
      err: expect.stringContaining(`names and texts have double quotes: --data '{"sku":"pear"}'`),
    });
    expect(await proa('wf', 'show', 'x', '--json')).toEqual({
      code: 4,
      out: '',
      err: `{"error":"no such instance exists: 'x' [ERR_INSTANCE_ID_NOT_FOUND]","hint":"\`proa wf list\` shows those that are there"}\n`,
    });
  });

  it('replays what it records: the code that made it fits, and code that changed is shown beside the record', async () => {
    expect(await proa('wf', 'start', 'order', '--id', 'a1', '--data', '"tea"', '--json')).toEqual({
      code: 0,
      out: '{"instanceId":"a1"}\n',
      err: '',
    });
    const history = await recorded('a1');
    writeFileSync(join(directory, 'history.json'), history);
    writeFileSync(join(directory, 'two.ndjson'), history + history);
    const fits = 'ID  WORKFLOW  EVENTS  RESULT\na1  order     8       fits\n';
    expect(await proa('wf', 'replay', 'a1', '--module', 'flows.mjs')).toEqual({ code: 0, out: fits, err: '' });
    expect(await proa('wf', 'replay', '--history', 'history.json', '--module', 'flows.mjs')).toEqual({ code: 0, out: fits, err: '' });
    const renamed = await proa('wf', 'replay', 'a1', '--module', 'renamed.mjs');
    expect(renamed).toMatchObject({ code: 3, err: '\n1 of 1 history does not fit the code\n' });
    expect(renamed.out).toMatch(/a1 +order +8 +does not fit\n/);
    expect(renamed.out).toMatch(/> run charge#1 +\| run bill#1 at [^ ]*\/renamed\.mjs:5 {2}\(not recorded\)\n/);
    const json = await proa('wf', 'replay', 'a1', '--history', 'two.ndjson', '--module', 'renamed.mjs', '--json');
    const misfit = {
      instanceId: 'a1',
      workflow: 'order',
      events: 8,
      fits: false,
      report: expect.stringContaining('does not fit its history'),
    };
    expect([json.code, JSON.parse(json.out)]).toEqual([3, { fits: false, results: [misfit, misfit, misfit] }]);
    expect(await proa('wf', 'raise', 'a1', 'go', '--data', '"go"', '--json')).toEqual({ code: 0, out: '{}\n', err: '' });
  });

  it('says what cannot be replayed, and why', async () => {
    writeFileSync(join(directory, 'none.mjs'), 'export const answer = 42;\n');
    writeFileSync(join(directory, 'broken.mjs'), "throw new Error('no database here');\n");
    writeFileSync(join(directory, 'empty.json'), '[]');
    const replay = async (...args: string[]) => {
      const { code, err } = await proa('wf', 'replay', ...args);
      return `${code} ${err}`;
    };
    writeFileSync(
      join(directory, 'h.json'),
      JSON.stringify({
        events: [{ id: 1, type: 'executionStarted', time: new Date(0).toISOString(), name: 'order', instance: { instanceId: 'h' } }],
      }),
    );
    expect(await replay('--history', 'h.json', '--module', 'none.mjs')).toMatch(
      /^1 error: none\.mjs exports no workflow\n {2}help: export what/,
    );
    expect(await replay('--history', 'h.json', '--module', 'broken.mjs')).toMatch(
      /^1 error: broken\.mjs cannot be loaded: Error: no database here\n +at .*broken\.mjs:1/,
    );
    expect(await replay('--history', 'h.json', '--module', 'nowhere.mjs')).toMatch(/^4 error: there is no module nowhere\.mjs\n {2}help: /);
    expect(await replay('--history', 'nowhere.json', '--module', 'flows.mjs')).toMatch(
      /^4 error: there is no file nowhere\.json\n {2}help: /,
    );
    writeFileSync(join(directory, 'nothing.ndjson'), '\n');
    expect(await replay('--history', 'nothing.ndjson', '--module', 'flows.mjs')).toMatch(/^1 error: nothing\.ndjson is empty/);
    expect(await replay('--history', 'empty.json', '--module', 'flows.mjs')).toMatch(/^1 error: empty\.json holds no history/);
    expect(await replay('--history', 'app.mjs', '--module', 'flows.mjs')).toMatch(/^1 error: app\.mjs:2 is not JSON/);
    expect(await replay('a9', '--module', 'flows.mjs')).toMatch(/^4 error: no such instance exists: 'a9'/);
    expect(await replay('a1')).toMatch(/^2 error: --module is missing/);
    expect(await replay('--module', 'flows.mjs')).toMatch(/^2 error: say which history/);
  });
});

/** What a command prints with `--json`; it must be one document, and the exit code 0. */
async function json(...args: string[]): Promise<unknown> {
  const { code, out, err } = await proa(...args, '--json');
  expect({ args, code, err }).toEqual({ args, code: 0, err: '' });
  return JSON.parse(out);
}

describe('proa wf, verb by verb', () => {
  const status = async (id: string): Promise<unknown> => ((await json('wf', 'show', id)) as { status: unknown }).status;
  const ids = async (...filter: string[]): Promise<string[]> =>
    ((await json('wf', 'list', ...filter)) as { instances: { instanceId: string }[] }).instances.map(({ instanceId }) => instanceId);

  it('lists by filter and page by page', async () => {
    for (const id of ['l1', 'l2', 'l3']) await json('wf', 'start', 'order', '--id', id, '--data', '"tea"', '--at', '2099-01-01T00:00:00Z');
    expect(await ids('--status', 'pending')).toEqual(['l1', 'l2', 'l3']);
    expect(await ids('--status', 'pending', '--name', 'other')).toEqual([]);
    expect(await ids('--status', 'pending', '--before', '2001-01-01T00:00:00Z')).toEqual([]);
    const first = (await json('wf', 'list', '--status', 'pending', '--size', '2')) as { instances: unknown[]; token: string };
    expect(first.instances).toHaveLength(2);
    expect(await ids('--status', 'pending', '--size', '2', '--token', first.token)).toEqual(['l3']);
    expect((await proa('wf', 'list', '--status', 'pending', '--size', '2')).out).toMatch(/^ID +NAME +STATUS .*\nl1 +order +PENDING/);
    expect(await proa('wf', 'list', '--status', 'bogus', '--json')).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/^\{"error":".*\\"bogus\\" for --status: must be one of running, pending/),
    });
    expect(await json('wf', 'purge', 'l3', '--force')).toEqual({ count: 1, complete: true });
    for (const id of ['l1', 'l2']) await json('wf', 'terminate', id);
    expect(await ids('--status', 'pending')).toEqual([]);
  });

  it('suspends, resumes, terminates, runs again from a step, and purges', async () => {
    await json('wf', 'start', 'order', '--id', 'v1', '--data', '"tea"');
    await recorded('v1');
    expect(await proa('wf', 'purge', 'v1', '--json')).toMatchObject({ code: 1, err: expect.stringContaining('ERR_PURGE_WORKFLOW') });
    await json('wf', 'suspend', 'v1', '--data', 'lunch');
    await vi.waitFor(async () => expect(await status('v1')).toBe('SUSPENDED'), 10_000);
    await json('wf', 'resume', 'v1');
    await vi.waitFor(async () => expect(await status('v1')).toBe('RUNNING'), 10_000);
    await json('wf', 'raise', 'v1', 'go', '--data', '"go"');
    await vi.waitFor(async () => expect(await status('v1')).toBe('COMPLETED'), 10_000);
    const { events } = (await json('wf', 'history', 'v1')) as { events: { type: string; id: number; name?: string }[] };
    const charge = events.findLast(({ type }) => type === 'taskScheduled');
    expect(await json('wf', 'rerun', 'v1', String(charge?.id), '--id', 'v2')).toEqual({ instanceId: 'v2' });
    await recorded('v2');
    expect(await proa('wf', 'rerun', 'v1', '99', '--json')).toMatchObject({
      code: 4,
      err: expect.stringContaining('"hint":"name the event'),
    });
    await json('wf', 'terminate', 'v2', '--data', '"enough"');
    await vi.waitFor(async () => expect(await status('v2')).toBe('TERMINATED'), 10_000);
    expect(await json('wf', 'purge', '--status', 'terminated', '--name', 'order')).toMatchObject({ count: 3, complete: true });
    expect(await json('wf', 'purge', 'v1')).toEqual({ count: 1, complete: true });
    expect(await proa('wf', 'show', 'v1')).toMatchObject({ code: 4, err: expect.stringContaining('help: `proa wf list`') });
  });
});

describe('proa actor and proa job', () => {
  it("print the runtime's own documents with --json, and tables for people", async () => {
    expect(await proa('actor', 'invoke', 'Cart', '17', 'add', '--data', '"pear"')).toMatchObject({ code: 0, out: '1\n' });
    expect((await proa('actor', 'state', 'Cart', '17', '--json')).out).toBe('{"type":"Cart","id":"17","state":{"items":["pear"]}}\n');
    expect((await proa('actor', 'state', 'Cart', '17')).out).toBe('KEY    VALUE\nitems  ["pear"]\n');
    expect(JSON.parse((await proa('actor', 'reminders', 'Cart', '--json')).out)).toEqual({
      type: 'Cart',
      reminders: [{ id: '17', name: 'abandoned', dueTime: '48h', next: expect.stringMatching(/^\d{4}-/) }],
    });
    expect((await proa('actor', 'reminders', 'Cart', '17')).out).toMatch(/^ID +NAME +NEXT +PERIOD +UNTIL\n17 +abandoned +\S+ +once +-\n$/);
    expect(await proa('actor', 'reminders', 'Nope', '--app-id', 'shop')).toMatchObject({
      code: 1,
      out: '',
      err: expect.stringContaining('does not host actors of type Nope'),
    });
    expect(await proa('actor', 'state', 'Cart')).toEqual({
      code: 2,
      out: '',
      err: 'error: <id> is missing\n  help: proa actor state <type> <id>\n',
    });
  });

  it('say what to do about a job that is there, and about a time zone that is not', async () => {
    const schedule = ['job', 'schedule', 'shop', 'nightly', '--schedule'];
    expect(await proa(...schedule, '@every 1h')).toMatchObject({ code: 0, err: 'done\n' });
    expect((await proa(...schedule, '@every 1h')).err).toMatch(
      /job already exists: "nightly" \[DAPR_SCHEDULER_SCHEDULE_JOB\]\n {2}help: --overwrite replaces it\n$/,
    );
    expect((await proa(...schedule, 'CRON_TZ=Europe/Nowhere 0 0 * * * *', '--overwrite')).err).toContain(
      ': there is no time zone "Europe/Nowhere"; Europe/Berlin and UTC are some [',
    );
    expect((await proa('job', 'list', '--app-id', 'shop')).out).toMatch(/^NAME .*\nnightly +@every 1h/);
    expect(await proa('job', 'get', 'shop', 'other')).toMatchObject({ code: 4, err: expect.stringContaining('job not found') });
    expect(await proa('explain', '--component', 'nope')).toMatchObject({
      code: 4,
      err: expect.stringContaining('no app of this machine has a component "nope"'),
    });
  });

  it('list what is there, take actors out of memory, run and delete jobs, in JSON too', async () => {
    await json('actor', 'invoke', 'Cart', '18', 'add', '--data', '"fig"');
    const active = async (): Promise<unknown> =>
      ((await json('actor', 'list')) as { ids: string[] }[]).flatMap((each) => each.ids).includes('18');
    expect(await active()).toBe(true);
    expect(await json('actor', 'deactivate', 'Cart', '18')).toEqual({ type: 'Cart', id: '18' });
    expect(await active()).toBe(false);
    expect(await proa('actor', 'deactivate', 'Cart', '18', '--json')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/ERR_ACTOR_INSTANCE_MISSING.*"hint":"it comes into memory with a call/),
    });
    await json('job', 'delete', 'shop', 'nightly');
    expect(await json('job', 'schedule', 'shop', 'hourly', '--schedule', '@every 1h')).toEqual({ ok: true });
    expect(await json('job', 'get', 'shop', 'hourly')).toMatchObject({ name: 'hourly', schedule: '@every 1h', runs: 0 });
    expect(await json('job', 'run', 'shop', 'hourly')).toEqual({ ok: true });
    await vi.waitFor(async () => expect(await json('job', 'list', 'shop')).toMatchObject([{ name: 'hourly', runs: 1 }]), 10_000);
    expect(await json('job', 'delete', 'shop', '--prefix', 'hour')).toEqual({ ok: true });
    expect(await json('job', 'list', 'shop')).toEqual([]);
    expect(await proa('job', 'get', 'shop', 'hourly', '--json')).toMatchObject({
      code: 4,
      err: expect.stringContaining('"hint":"`proa job list shop`'),
    });
  });
});
