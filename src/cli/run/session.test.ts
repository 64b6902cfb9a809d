import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostOptions, RunningApp, RunningHost } from '../../host/host-api.ts';
import type { Clock, Ports, ProcessPort, ProcessSignal } from '../../kernel/ports.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { createNodeProcess } from '../../ports/node/process.ts';
import { main } from '../main.ts';
import { findRuns } from '../run-registry.ts';

interface Event {
  readonly type: string;
  readonly app?: string;
  readonly line?: string;
  readonly stream?: string;
  readonly port?: number;
  readonly pid?: number;
  readonly code?: number;
  readonly restartInMs?: number;
  readonly lastErrors?: readonly string[];
  readonly exitCode?: number;
}

/** A host that serves nothing and writes down what it is told. */
function recordingHost(told: string[]) {
  return async (options: HostOptions): Promise<RunningHost> => {
    const { apps } = options;
    let finish: (code: number) => void = () => {};
    const done = new Promise<number>((resolve) => (finish = resolve));
    const running = apps.map((spec): RunningApp => {
      let ready: () => void = () => {};
      const isReady = new Promise<void>((resolve) => (ready = resolve));
      const { id: appId, httpPort, grpcPort } = spec;
      options.events({ kind: 'listening', appId, httpPort, grpcPort });
      return {
        id: spec.id,
        httpPort: spec.httpPort,
        grpcPort: spec.grpcPort,
        outboundReady: Promise.resolve(),
        ready: isReady,
        async connect(port) {
          told.push(`${spec.id} connect ${port}`);
          ready();
          options.events({ kind: 'ready', appId: spec.id });
        },
        async disconnect() {
          told.push(`${spec.id} disconnect`);
        },
        putMetadata: (key) => void told.push(`${spec.id} ${key}`),
      };
    });
    return {
      apps: running,
      done,
      restart: async () => {},
      async stop() {
        if (!told.includes('stop')) told.push('stop');
        finish(0);
      },
    };
  };
}

class Run {
  readonly told: string[] = [];
  readonly events: Event[] = [];
  readonly #signals = new Map<ProcessSignal, () => void>();
  readonly #waiting: { matches: (event: Event) => boolean; found: (event: Event) => void }[] = [];
  readonly ports: Ports;
  readonly code: Promise<number>;

  constructor(directory: string, args: readonly string[], clock: Clock = nodeClock) {
    const real = createNodeProcess();
    const system: ProcessPort = {
      ...real,
      cwd: () => directory,
      env: (name) => (name === 'PROA_STATE_DIR' ? join(directory, 'state') : real.env(name)),
      onSignal: (signal, handler) => {
        this.#signals.set(signal, handler);
        return () => this.#signals.delete(signal);
      },
      writeOut: (text) =>
        text
          .split('\n')
          .filter(Boolean)
          .forEach((line) => this.#take(JSON.parse(line) as Event)),
    };
    this.ports = { ...nodePorts(), clock, process: system };
    const loadHost = async () => recordingHost(this.told);
    this.code = main(['run', '--json', ...args], { ports: this.ports, loadHost, version: '0' });
  }

  /** Signals that do not end the process in the system's way. */
  get caught(): readonly ProcessSignal[] {
    return [...this.#signals.keys()];
  }

  signal(name: ProcessSignal): void {
    this.#signals.get(name)?.();
  }

  async next(matches: (event: Event) => boolean): Promise<Event> {
    const known = this.events.find(matches);
    return known ?? new Promise((found) => this.#waiting.push({ matches, found }));
  }

  output(stream = 'stdout'): string[] {
    return this.events.filter((event) => event.type === 'output' && event.stream === stream).map(({ line }) => line as string);
  }

  #take(event: Event): void {
    this.events.push(event);
    for (const waiting of this.#waiting) if (waiting.matches(event)) waiting.found(event);
  }
}

const node = process.execPath;
const alive = (pid: number): boolean => createNodeProcess().alive(pid);
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'proa run '));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('proa run', () => {
  it('gives one app its environment, passes its output on, ends with its exit code and the last lines of stderr', async () => {
    const script = `
      console.log(JSON.stringify(Object.fromEntries(Object.entries(process.env).filter(([k]) => /^(PORT|APP_|DAPR_|PROA_|OTEL_)/.test(k)))));
      for (let i = 1; i < 9; i++) console.error('error ' + i);
      process.stdout.write('no newline');
      process.exitCode = 7;`;
    const run = new Run(directory, ['--app-id', 'orders', '--app-port', '3999', '--', node, '-e', script]);
    expect(await run.code).toBe(7);
    const [first, last] = run.output();
    const env = JSON.parse(first as string) as Record<string, string>;
    expect(env).toMatchObject({ APP_ID: 'orders', APP_PORT: '3999', PORT: '3999', OTEL_SERVICE_NAME: 'orders' });
    expect(env['DAPR_HTTP_PORT']).toMatch(/^\d+$/);
    expect(env['PROA_HTTP_ENDPOINT']).toBe(`http://127.0.0.1:${env['DAPR_HTTP_PORT']}`);
    expect(last).toBe('no newline');
    const exited = await run.next(({ type }) => type === 'exited');
    expect(exited).toMatchObject({ code: 7, lastErrors: ['error 4', 'error 5', 'error 6', 'error 7', 'error 8'] });
    expect(run.told).toEqual(['orders cliPID', 'orders appPID', 'orders appCommand', 'orders connect 3999', 'orders disconnect', 'stop']);
    expect(await readFile(join(directory, '.proa/logs/orders.log'), 'utf8')).toContain('error 8\n');
    expect(await findRuns(run.ports)).toEqual([]);
  });

  it('finds the port of an app that chooses its own, and is listed while it runs', async () => {
    const script = `require('node:http').createServer().listen(0, () => {}); process.on('SIGTERM', () => process.exit(0));`;
    const run = new Run(directory, ['--', node, '-e', script]);
    const { port } = await run.next(({ type }) => type === 'port');
    await run.next(({ type }) => type === 'ready');
    expect(run.told.some((line) => line.endsWith(`connect ${port}`))).toBe(true);
    let [found] = await findRuns(run.ports);
    // Announcing takes a sync of the disk.
    while (found?.record.apps[0]?.appPort === undefined) [found] = await findRuns(run.ports);
    expect(found).toMatchObject({ alive: true, record: { mode: 'run', apps: [{ appPort: port, command: [node, '-e', script] }] } });
    run.signal('SIGTERM');
    expect(await run.code).toBe(0);
  });

  it('says where its APIs are once other commands find it', async () => {
    const run = new Run(directory, ['--app-id', 'alone']);
    const seen: Promise<number>[] = [];
    await run.next((event) => event.type === 'listening' && seen.push(findRuns(run.ports).then(({ length }) => length)) > 0);
    expect(await seen[0]).toBe(1);
    run.signal('SIGTERM');
    expect(await run.code).toBe(0);
  });

  it('starts an app again with growing pauses, as its policy says, until it succeeds', async () => {
    const counter = join(directory, 'count');
    await writeFile(counter, '');
    const script = `const fs = require('node:fs'); fs.appendFileSync(${JSON.stringify(counter)}, 'x'); process.exit(fs.readFileSync(${JSON.stringify(counter)}, 'utf8').length < 3 ? 1 : 0);`;
    const run = new Run(directory, ['--restart', 'on-failure', '--', node, '-e', script]);
    expect(await run.code).toBe(0);
    const exits = run.events.filter(({ type }) => type === 'exited');
    expect(exits.map(({ code, restartInMs }) => [code, restartInMs])).toEqual([
      [1, 500],
      [1, 1000],
      [0, undefined],
    ]);
  });

  it('lets what a shell started finish its work on Ctrl-C, and leaves no process behind', async () => {
    const child = `process.on('SIGTERM', () => setTimeout(() => { console.log('drained'); process.exit(0); }, 300)); console.log('child ' + process.pid); setInterval(() => {}, 1000);`;
    await writeFile(join(directory, 'child.cjs'), child);
    const run = new Run(directory, ['--', '/bin/sh', '-c', `"${node}" child.cjs; echo unreachable`]);
    const { line } = await run.next((event) => event.line?.startsWith('child ') === true);
    const pid = Number(line?.slice(6));
    expect(alive(pid)).toBe(true);
    run.signal('SIGINT');
    // npm, make and timeout hand on what the terminal has told everybody already.
    run.signal('SIGINT');
    expect(await run.code).toBe(0);
    expect(run.output()).toContain('drained');
    expect(alive(pid)).toBe(false);
  });

  it('kills what does not listen at the second Ctrl-C', async () => {
    const script = `process.on('SIGTERM', () => console.log('deaf')); console.log('up ' + process.pid); setInterval(() => {}, 1000);`;
    const run = new Run(directory, ['--', node, '-e', script]);
    const { line } = await run.next((event) => event.line?.startsWith('up ') === true);
    run.signal('SIGINT');
    await run.next((event) => event.line === 'deaf');
    const pressing = setInterval(() => run.signal('SIGINT'), 50);
    expect(await run.code).toBe(130);
    clearInterval(pressing);
    expect(alive(Number(line?.slice(3)))).toBe(false);
  });

  it('keeps signals caught when it is over: the next one would take the exit code away', async () => {
    const run = new Run(directory, ['--', node, '-e', 'process.exit(3)']);
    expect(await run.code).toBe(3);
    const said = run.events.length;
    expect(run.caught.toSorted()).toEqual(['SIGHUP', 'SIGINT', 'SIGTERM']);
    for (const signal of run.caught) run.signal(signal);
    expect([await run.code, run.events.length]).toEqual([3, said]);
  });

  it('says when a command cannot be found, with the exit code of a shell', async () => {
    const run = new Run(directory, ['--restart', 'always', '--', 'no-such-command-here']);
    expect(await run.code).toBe(127);
    expect(run.told).toContain('stop');
  });

  it('tells why an app that others wait for is not ready, and starts them', async () => {
    const silent = `setTimeout(() => {}, 60_000)`;
    await writeFile(
      join(directory, 'proa.yaml'),
      `apps:
  front: { run: [${JSON.stringify(node)}, -e, "console.log('front runs')"], waits: [back], restart: never }
  back: { run: [${JSON.stringify(node)}, -e, ${JSON.stringify(silent)}], restart: never }
`,
    );
    // The minute that a run waits passes quickly.
    const hurried: Clock = {
      ...nodeClock,
      timer: (delayMs, done, background) => nodeClock.timer(delayMs === 60_000 ? 300 : delayMs, done, background),
    };
    const run = new Run(directory, ['-f', '.'], hurried);
    const told = await run.next(({ type, line }) => type === 'log' && line?.includes('not ready') === true);
    expect(told).toMatchObject({ app: 'back', line: expect.stringContaining('not ready after 60 s: it never listened on a port') });
    await run.next(({ type, line }) => type === 'output' && line === 'front runs');
    run.signal('SIGTERM');
    expect(await run.code).toBe(0);
  });

  it('runs several apps of a file: order by waits, replicas with ports of their own, one exit code', async () => {
    // They end once the app that waits for them has run and both are connected, however late that is.
    const served = JSON.stringify(join(directory, 'served'));
    const server = `require('node:http').createServer().listen(process.env.PORT); setInterval(() => require('node:fs').existsSync(${served}) && process.exit(0), 50);`;
    const front = `console.log('front', process.env.FROM_FILE, process.env.BOTH)`;
    await writeFile(join(directory, 'server.cjs'), server);
    await writeFile(join(directory, '.env'), 'export FROM_FILE="a # b" # comment\nBOTH=file\n');
    await writeFile(
      join(directory, 'proa.yaml'),
      `apps:
  front: { run: [${JSON.stringify(node)}, -e, ${JSON.stringify(front)}], env_file: .env, env: { BOTH: own }, waits: [back], restart: never }
  back: { run: [${JSON.stringify(node)}, server.cjs], port: auto, replicas: 2, restart: never }
`,
    );
    const run = new Run(directory, ['-f', '.']);
    const ports = () => new Set(run.told.filter((line) => line.startsWith('back connect')).map((line) => line.split(' ')[2]));
    await expect.poll(() => [ports().size, run.output().includes('front a # b own')]).toEqual([2, true]);
    await writeFile(join(directory, 'served'), '');
    expect(await run.code).toBe(0);
    const order = run.events.filter(({ type }) => ['started', 'ready'].includes(type)).map(({ type, app }) => `${type} ${app}`);
    expect(order.indexOf('started front')).toBeGreaterThan(order.indexOf('ready back'));
  });

  it('takes free ports when the usual ones are taken', async () => {
    const taken = createServer();
    const held = await new Promise<boolean>((resolve) =>
      taken.once('error', () => resolve(false)).listen(3500, '127.0.0.1', () => resolve(true)),
    );
    const run = new Run(directory, ['--', node, '-e', 'console.log(process.env.DAPR_HTTP_PORT)']);
    expect(await run.code).toBe(0);
    expect(run.output()[0]).not.toBe('3500');
    if (held) await new Promise((resolve) => taken.close(resolve));
  });
});
