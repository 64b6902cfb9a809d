import { describe, expect, it } from 'vitest';
import type { StartHost } from '../host/host-api.ts';
import type { Ports, ProcessPort } from '../kernel/ports.ts';
import { nodePorts } from '../ports/node/index.ts';
import { createNodeProcess } from '../ports/node/process.ts';
import { createMemoryDisk, type MemoryDisk } from '../testing/memory-disk.ts';
import { specFromFlags } from './app-spec.ts';
import { commands } from './commands.ts';
import { flagOf, flags, sidecarFlags, type FlagName } from './flags.ts';
import { main } from './main.ts';
import { harmless } from './output.ts';
import { parseArgs, UsageError } from './parse-args.ts';
import { sidecarSpec } from './sidecar-spec.ts';

const noHost: StartHost = async () => {
  throw new Error('no host here');
};

async function cli(args: readonly string[], more: { env?: Record<string, string>; disk?: MemoryDisk; terminal?: boolean } = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const env: Record<string, string> = { PROA_STATE_DIR: '/state', ...more.env };
  const system: ProcessPort = {
    ...createNodeProcess(),
    env: (name) => env[name],
    environment: () => env,
    cwd: () => '/p',
    isTerminal: () => more.terminal === true,
    writeOut: (text) => void out.push(text),
    writeErr: (text) => void err.push(text),
  };
  const ports: Ports = {
    ...nodePorts(),
    disk: more.disk ?? createMemoryDisk(),
    process: system,
  };
  const code = await main(args, { ports, loadHost: async () => noHost, version: '1.2.3' });
  return { code, out: out.join(''), err: err.join('') };
}

describe('the command line', () => {
  it('helps without arguments, per command, and suggests on typing errors', async () => {
    const help = await cli([]);
    expect(help.code).toBe(0);
    for (const { name, hidden } of commands) expect(help.out.includes(`  ${name} `)).toBe(hidden !== true);
    const run = await cli(['run', '--help']);
    expect(run.out).toMatch(/-p, --app-port <port> +The port/);
    expect(run.out).toContain('proa run -f .');
    expect((await cli(['help', 'publish'])).out).toContain('--topic');
    expect(await cli(['rnu'])).toMatchObject({ code: 2, out: '', err: expect.stringContaining('did you mean `proa run`?') });
    expect(await cli(['sidecar', '--ap-port', '1'])).toMatchObject({ code: 2, err: expect.stringContaining('did you mean --app-port?') });
    expect(await cli(['sidecar', '--app-port', 'x', '--json'])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^\{"error":"invalid value/),
    });
    expect((await cli(['--version'])).out).toContain('1.2.3');
    expect(JSON.parse((await cli(['version', '--json'])).out)).toMatchObject({ version: '1.2.3' });
  });

  it('of workflows says what is missing, and never purges everything', async () => {
    expect(await cli(['wf'])).toMatchObject({ code: 2, err: expect.stringContaining('say what to do: list, show, history, start, raise') });
    expect(await cli(['wf', 'raise', '17', '--app-id', 'x'])).toMatchObject({
      code: 2,
      err: 'error: <event> is missing\n  help: proa wf raise <id> <event>\n',
    });
    expect((await cli(['wf', 'rase', '17'])).err).toBe('error: proa wf does not know "rase"\n  help: did you mean `proa wf raise`?\n');
    expect((await cli(['wf', 'xyz'])).err).toContain('help: it knows list, show');
    expect((await cli(['wf', 'rerun', '1', '2', '3'])).err).toBe(
      'error: "3" is one word too many\n  help: proa wf rerun <id> <event id>\n',
    );
    expect((await cli(['wf', 'start', 'order', '--data', '', '--app-id', 'x'])).err).toContain('--data is empty, and not JSON');
    expect(await cli(['wf', 'suspend', '17', '--data', 'a reason', '--app-id', 'x'])).toMatchObject({ code: 4 });
    expect(await cli(['wf', 'purge', '--app-id', 'x'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('which workflows to purge'),
    });
    const typo = { code: 2, err: expect.stringContaining('did you mean running?') };
    expect(await cli(['wf', 'list', '--status', 'FAILED,runing', '--app-id', 'x'])).toMatchObject(typo);
    expect(await cli(['wf', 'list'])).toMatchObject({ code: 4, err: expect.stringContaining('no runtime runs') });
    expect(await cli(['wf', 'show', '17', '--app-id', 'x'])).toMatchObject({ code: 4, err: expect.stringContaining('no app "x"') });
  });

  it('names every status that a workflow can have, and the exit codes as they are', async () => {
    expect((await cli(['wf', '--help'])).out).toContain('running, pending, suspended, stalled, completed, failed, terminated, canceled');
    const help = (await cli(['--help'])).out;
    for (const [name, code] of [
      ['fine', 0],
      ['failed', 1],
      ['usage', 2],
      ['a check is not satisfied', 3],
      ['not found', 4],
      ['timeout', 5],
      ['no runtime reached', 6],
    ])
      expect(help.replaceAll('\n', '   ')).toMatch(new RegExp(`  ${code} ${name}  `));
  });

  it('of jobs and actors names what is missing', async () => {
    expect((await cli(['job', 'list'])).err).toBe('error: <app> is missing\n  help: proa job list <app>\n');
    expect(await cli(['job', 'list', '--app-id', 'orders'])).toMatchObject({ code: 4, err: expect.stringContaining('no app "orders"') });
    expect((await cli(['job', 'get', '--app-id', 'orders'])).err).toContain('<job> is missing');
    expect((await cli(['actor', 'invoke', 'Cart', '17'])).err).toContain('<method> is missing');
  });

  it('of rollouts names what is missing', async () => {
    expect((await cli(['rollout', 'stat'])).err).toBe(
      'error: proa rollout does not know "stat"\n  help: did you mean `proa rollout start`?\n',
    );
    expect(await cli(['rollout', 'start', 'orders', 'v1'])).toMatchObject({ code: 2, err: expect.stringContaining('<to> is missing') });
    expect(await cli(['rollout', 'abort'])).toMatchObject({ code: 2, err: expect.stringContaining('<app> is missing') });
  });

  it('of engines takes the data of the project where it has a run file, as proa run does', async () => {
    const disk = createMemoryDisk({ '/p/proa.yaml': 'apps: { a: { run: x } }' });
    expect((await cli(['engine', 'backup', '--to', 'b'], { disk })).err).toContain('/p/.proa/data holds no data of Proa');
    expect((await cli(['engine', 'backup', '--to', 'b'])).err).toContain('/state/data holds no data of Proa');
    expect((await cli(['engine', 'backup', '--to', 'b'], { disk, env: { PROA_DATA_DIR: 'd' } })).err).toContain(
      '/p/d holds no data of Proa',
    );
    expect((await cli(['engine', 'bakup'])).err).toContain('did you mean `proa engine backup`?');
    expect(await cli(['engine', 'copy', '--to', 'mysql://root@db/proa'], { disk })).toMatchObject({
      code: 1,
      err: expect.stringContaining('there is no engine for mysql: URLs'),
    });
  });

  it('of engines refuses a flag that it would leave out: other data would be meant', async () => {
    const database = 'postgres://proa@127.0.0.1:1/proa';
    for (const [words, what, hint] of [
      [['backup', '--to', 'b', '--engine', database], 'backup takes no --engine', 'pg_dump'],
      [['backup', '--from', 'data', '--to', 'b'], 'backup takes no --from', '--data-dir'],
      [['restore', '--from', 'b', '--to', 'data'], 'restore takes no --to', '--data-dir'],
      [['copy', '--engine', database, '--to', 'x'], 'copy takes no --engine', '--from'],
      [['downgrade', '--data-dir', 'x'], 'downgrade takes no --data-dir', 'proa help engine'],
    ] as const) {
      const told = await cli(['engine', ...words]);
      expect([told.code, told.err]).toEqual([2, expect.stringContaining(`error: proa engine ${what}\n  help: `)]);
      expect(told.err).toContain(hint);
    }
    const setting = await cli(['engine', 'backup', '--to', 'b'], { env: { PROA_ENGINE: database } });
    expect(setting).toMatchObject({ code: 2, err: expect.stringContaining('PROA_ENGINE names a database') });
  });

  it('refuses flags that belong to other verbs', async () => {
    for (const [words, message, hint] of [
      [['wf', 'show', '17', '--status', 'failed'], 'proa wf show takes no --status', 'it belongs to proa wf list, proa wf purge'],
      [['wf', 'history', '17', '--size', '5'], 'proa wf history takes no --size', 'it belongs to proa wf list'],
      [['wf', 'list', '--at', '2026-01-01'], 'proa wf list takes no --at', 'it belongs to proa wf start'],
      [['wf', 'raise', '17', 'paid', '--unique'], 'proa wf raise takes no --unique', 'it belongs to proa wf start'],
      [['wf', 'list', '--data-file', 'x'], 'proa wf list takes no --data-file', 'it belongs to proa wf start'],
      [['wf', 'purge', '17', '--status', 'failed'], 'an id and --status exclude each other', 'proa wf purge --status completed'],
      [['wf', 'purge', '--status', 'failed', '--force'], '--force is for one workflow', 'proa wf purge 17 --force'],
      [['job', 'list', 'orders', '--prefix', 'a'], 'proa job list takes no --prefix', 'it belongs to proa job delete'],
      [['job', 'run', 'orders', 'nightly', '--data', '1'], 'proa job run takes no --data', 'it belongs to proa job schedule'],
      [['actor', 'state', 'Cart', '17', '--data', '1'], 'proa actor state takes no --data', 'it belongs to proa actor invoke'],
      [['rollout', 'abort', 'orders', '--steps', '100'], 'proa rollout abort takes no --steps', 'it belongs to proa rollout start'],
    ] as const) {
      const told = await cli(words);
      expect([told.code, told.err]).toEqual([2, expect.stringContaining(`error: ${message}`)]);
      expect(told.err).toContain(`  help: ${hint}`);
    }
    expect((await cli(['wf', 'show', '17', '--app-id', 'nobody', '--timeout', '1s', '--json'])).err).not.toContain('takes no');
  });

  it('names the verbs of a flag in its help, and knows no other verbs than the usage', async () => {
    expect((await cli(['wf', '--help'])).out).toMatch(/--recursive +terminate, purge: Children too/);
    for (const { name, usage, only = {}, flags } of commands) {
      for (const [flag, verbs] of Object.entries(only)) {
        expect(flags, `${name} --${flag}`).toContain(flag);
        for (const verb of verbs) expect(usage).toMatch(new RegExp(`\\b${verb}\\b`));
      }
    }
  });

  it('tells a run file that is not there like every other mistake', async () => {
    expect(await cli(['run', '-f', 'nonexist'])).toMatchObject({
      code: 2,
      err: 'error: there is no run file at nonexist\n  help: --run-file names one, or a folder that holds proa.yaml, proa.yml, dapr.yaml, dapr.yml\n',
    });
  });

  it('colours by flag, NO_COLOR, FORCE_COLOR and terminal, in that order', async () => {
    const escape = '\u001b[';
    expect((await cli(['help'], { terminal: true })).out).toContain(escape);
    expect((await cli(['help'])).out).not.toContain(escape);
    expect((await cli(['help'], { env: { FORCE_COLOR: '1' } })).out).toContain(escape);
    expect((await cli(['help'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } })).out).not.toContain(escape);
    expect((await cli(['help', '--no-color'], { terminal: true })).out).not.toContain(escape);
    expect((await cli(['help'], { terminal: true, env: { TERM: 'dumb' } })).out).not.toContain(escape);
  });

  it('explains codes of configuration, of the catalogue and of Dapr', async () => {
    expect((await cli(['explain', 'config.unknown-key'])).out).toContain('What to do');
    expect((await cli(['explain', 'err_state_save'])).out).toContain('state.save-etag-mismatch');
    expect((await cli(['explain', 'DAPR_PUBSUB_NOT_FOUND', '--json'])).out).toContain('"code":"pubsub.not-found"');
    expect(await cli(['explain', 'ERR_NOPE'])).toMatchObject({
      code: 4,
      err: 'error: there is no code ERR_NOPE\n  help: `proa explain` lists all codes\n',
    });
    expect((await cli(['explain', 'cart'])).err).toContain('`proa explain cart <method>` what a call to that app passes');
    const all = await cli(['explain']);
    expect(all.out).toMatch(/^CODE +ERROR CODE +MEANING\n/);
    for (const code of ['config.unknown-key', 'state.save-etag-mismatch', 'ERR_STATE_SAVE']) expect(all.out).toContain(code);
    expect(JSON.parse((await cli(['explain', '--json'])).out)).toContainEqual(expect.objectContaining({ code: 'config.yaml' }));
    expect(await cli(['explain', 'config.unknwn-key'])).toMatchObject({ code: 4, err: expect.stringContaining('config.unknown-key') });
  });

  it('explains what a call passes between two apps, from the resources alone', async () => {
    const policy = 'apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: p }\nspec: { target: { app: orders }, timeout: 2s }\n';
    const disk = createMemoryDisk({ '/p/r/p.yaml': policy });
    const told = await cli(['explain', 'orders', 'post', '/orders/17', '--app-id', 'web', '--resources-path', 'r'], { disk });
    expect(told).toMatchObject({ code: 0, err: '' });
    expect(told.out).toContain('POST /orders/17 from web to orders');
    expect(told.out).toMatch(
      /attempt +bounds each attempt by itself\n +timeout: 2s {2}\(\/p\/r\/p.yaml:4\)\n +from: Policy "p", \/p\/r\/p.yaml:4/,
    );
    expect(JSON.parse((await cli(['explain', 'orders', '/x', '--resources-path', 'r', '--json'], { disk })).out)).toMatchObject({
      callee: [{ role: 'trace' }, { role: 'metrics' }, { role: 'deadline' }],
    });
    expect(await cli(['explain', 'orders', '/x', '--resources-path', 'none'], { disk })).toMatchObject({
      code: 3,
      err: expect.stringContaining('config.file'),
    });
    expect(await cli(['explain', 'orders', 'GET', '/x', 'y'], { disk })).toMatchObject({ code: 2 });
  });

  it('explains the stacks around a component, from the resources alone', async () => {
    const store =
      'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: store }\nspec: { type: state.in-memory, version: v1 }\n';
    const policy =
      'apiVersion: proa.dev/v1alpha1\nkind: Policy\nmetadata: { name: p }\nspec: { target: { component: store }, timeout: 2s }\n';
    const disk = createMemoryDisk({ '/p/r/p.yaml': `${store}---\n${policy}` });
    const told = await cli(['explain', '--component', 'store', 'get', '--resources-path', 'r'], { disk });
    expect(told).toMatchObject({ code: 0, err: '' });
    expect(told.out).toContain('store (state.in-memory) in the runtime of caller');
    expect(told.out).toMatch(/calls of the app, get, outermost first\n +metrics .*\n[^]* +timeout: 2s {2}\(\/p\/r\/p.yaml:9\)/);
    const { out } = await cli(['explain', '--component', 'store', '--resources-path', 'r', '--app-id', 'web', '--json'], { disk });
    expect(JSON.parse(out)).toMatchObject([{ app: 'web', component: 'store', stacks: [{ direction: 'outbound' }] }]);
    const unknown = await cli(['explain', '--component', 'nope'], { disk: createMemoryDisk({ '/p/resources/p.yaml': store }) });
    expect(unknown.err).toBe('error: there is no component "nope" in ./resources\n  help: there is store\n');
    const none = await cli(['explain', '--component', 'stare', '--resources-path', 'r'], { disk });
    expect(none).toMatchObject({ code: 4, err: expect.stringContaining('did you mean store?') });
    expect(await cli(['explain', '--component', 'store', 'get', 'set', '--resources-path', 'r'], { disk })).toMatchObject({ code: 2 });
  });

  it('translates rules of Sentinel', async () => {
    const disk = createMemoryDisk({ '/p/rules.json': '[{"resource":"/a","grade":1,"count":5,"colour":1}]', '/p/bad.json': '{' });
    const told = await cli(['policy', 'import', 'sentinel', 'rules.json', '--app-id', 'orders'], { disk });
    expect(told.out).toContain('    - requests: 5');
    expect(told).toMatchObject({ code: 0, err: expect.stringContaining('/a: unknown field colour') });
    expect(await cli(['policy', 'import', 'sentinel', 'bad.json', '--app-id', 'orders'], { disk })).toMatchObject({ code: 3 });
    expect(await cli(['policy', 'import', 'sentinel', 'none.json', '--app-id', 'orders'], { disk })).toMatchObject({ code: 4 });
    for (const args of [
      ['import', 'sentinel', 'rules.json'],
      ['import', 'envoy', 'x'],
      ['import', 'sentinel', 'rules.json', 'flows', '--app-id', 'a'],
    ])
      expect(await cli(['policy', ...args], { disk })).toMatchObject({ code: 2 });
  });

  it('prints completion scripts with every command and flag', async () => {
    for (const shell of ['bash', 'zsh', 'fish']) {
      const { out } = await cli(['completion', shell]);
      for (const { name, hidden } of commands) if (hidden !== true) expect(out).toContain(name);
      expect(out).not.toContain('worker)');
      expect(out).toMatch(/enable-app-health-check/);
    }
    expect((await cli(['completion', 'tcsh'])).code).toBe(2);
  });

  it('tells programs what it tells people: help and completion as JSON', async () => {
    const read = async (args: readonly string[]): Promise<unknown> => JSON.parse((await cli([...args, '--json'])).out);
    const shown = commands.filter(({ hidden }) => hidden !== true).map(({ name }) => expect.objectContaining({ name }) as unknown);
    for (const args of [['help'], ['--help']]) expect(await read(args)).toEqual({ commands: shown });
    const lines = expect.objectContaining({ name: 'lines', short: 'n', default: '100', doc: expect.any(String) as unknown }) as unknown;
    const usage = 'proa logs [app-id] [flags]';
    expect(await read(['help', 'logs'])).toMatchObject({ name: 'logs', usage, flags: expect.arrayContaining([lines]) as unknown });
    expect(await read(['logs', '--help'])).toEqual(await read(['help', 'logs']));
    const script = (await cli(['completion', 'bash'])).out.trimEnd();
    expect(await read(['completion', 'bash'])).toEqual({ shell: 'bash', script });
  });

  it('says plainly when nothing runs, nothing is there to run, or an app is unknown', async () => {
    expect(await cli(['list', '--json'])).toMatchObject({ code: 0, out: '[]\n' });
    expect((await cli(['stop', 'orders'])).code).toBe(4);
    expect((await cli(['stop'])).code).toBe(2);
    expect((await cli(['logs', 'orders'])).code).toBe(4);
    expect((await cli(['invoke', '-a', 'orders', '-m', 'x'])).code).toBe(4);
    expect((await cli(['publish', '-i', 'orders', '-t', 'x'])).code).toBe(2);
    expect(await cli(['run'])).toMatchObject({ code: 2, err: expect.stringContaining('nothing to run') });
    const broken = createMemoryDisk({ '/p/proa.yaml': 'apps: { a: { ruun: x } }' });
    const failed = await cli(['run'], { disk: broken });
    expect(failed).toMatchObject({ code: 1 });
    expect(failed.err).toContain('did you mean `run`?');
  });

  it('looks at the project with doctor: exit code 3 and the fix when something fails', async () => {
    const disk = createMemoryDisk({
      '/p/proa.yaml': 'apps: { a: { run: x, resources: c } }',
      '/p/c/x.yaml': 'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: x}\nspec: {type: state.nope}\n',
    });
    const { code, out } = await cli(['doctor', '--json', '--dapr-http-port', '0', '--dapr-grpc-port', '0', '--metrics-port', '0'], {
      disk,
    });
    const report = JSON.parse(out) as { ok: boolean; findings: { name: string; status: string; fix?: string }[] };
    expect([code, report.ok]).toEqual([3, false]);
    expect(report.findings.filter(({ status }) => status === 'failed')).toEqual([
      expect.objectContaining({ name: 'resources of a', fix: expect.stringContaining('there is no driver for type state.nope') }),
    ]);
    expect((await disk.list('/p')).toSorted()).toEqual(['c', 'proa.yaml']);
  });
});

describe('flags', () => {
  it('of doctor says that a disk is full, and not that it may not be written', async () => {
    const full = { ...createMemoryDisk(), replaceFile: () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' })) };
    const ports = ['--dapr-http-port=0', '--dapr-grpc-port=0', '--metrics-port=0'];
    const { code, out } = await cli(['doctor', '--json', ...ports], { disk: full });
    const { findings } = JSON.parse(out) as { findings: { name: string; status: string; fix?: string }[] };
    expect([code, findings.find(({ status }) => status === 'failed')]).toEqual([
      3,
      expect.objectContaining({ name: 'free space', fix: expect.stringContaining('free some space') }),
    ]);
  });

  it('of run refuses a name that no app can have', async () => {
    for (const id of ['', 'a b', 'a.b', '-x'])
      expect(await cli(['run', `--app-id=${id}`, '--', 'true'])).toMatchObject({
        code: 2,
        err: expect.stringContaining(`"${id}" cannot be an app id`),
      });
  });

  it('refuses a --placement-ttl out of bounds', async () => {
    for (const given of ['299ms', '11m']) {
      const { code, err } = await cli(['sidecar', '--app-id', 'a', '--placement-ttl', given]);
      expect([code, err]).toEqual([2, expect.stringContaining('--placement-ttl must be between 300ms and 10m')]);
    }
  });

  it('knows every flag of daprd with its default', () => {
    const daprd =
      'app-id app-port app-protocol=http app-channel-address=127.0.0.1 app-max-concurrency=-1 app-ssl enable-app-health-check app-health-check-path=/healthz app-health-probe-interval=5 app-health-probe-timeout=500 app-health-threshold=3 disable-init-endpoints app-binding-options-timeout=3s dapr-http-port=3500 dapr-grpc-port=50001 dapr-listen-addresses dapr-public-port dapr-public-listen-address unix-domain-socket allowed-origins max-body-size=4Mi read-buffer-size=4Ki dapr-http-max-request-size dapr-http-read-buffer-size enable-api-logging dapr-internal-grpc-port dapr-internal-grpc-listen-address mode=standalone control-plane-address sentry-address control-plane-trust-domain=localhost control-plane-namespace=default sentry-request-jwt-audiences enable-mtls resources-path components-path config hot-reload-reconcile-interval=0 disable-builtin-k8s-secret-store placement-host-address scheduler-host-address scheduler-job-streams=3 actors-disseminate-timeout=30s reminders-service actors-service dapr-graceful-shutdown-seconds=5 dapr-block-shutdown-duration log-level=info log-as-json log-file enable-metrics=true metrics-port=9090 metrics-listen-address enable-profiling profile-port=7777 build-info wait';
    const ours = sidecarFlags.map((name) => (flagOf(name).fallback === undefined ? name : `${name}=${flagOf(name).fallback}`));
    expect(ours).toEqual(daprd.split(' '));
    const shorts = (Object.keys(flags) as FlagName[]).filter(
      (name) => commands[0]?.flags.includes(name) && flagOf(name).short !== undefined,
    );
    expect(shorts.map((name) => `-${flagOf(name).short} ${name}`).toSorted()).toEqual([
      '-G dapr-grpc-port',
      '-H dapr-http-port',
      '-I dapr-internal-grpc-port',
      '-M metrics-port',
      '-P app-protocol',
      '-a app-id',
      '-c config',
      '-d resources-path',
      '-f run-file',
      '-k kubernetes',
      '-p app-port',
      '-u unix-domain-socket',
    ]);
  });

  it('parses one or two dashes, both forms of values, any order, repetition, and stops at --', () => {
    const accepts = sidecarFlags;
    const { values, rest, warnings } = parseArgs(
      [
        '-app-id',
        'x',
        '--app-port=3000',
        '--enable-metrics=false',
        '--resources-path',
        'a,b',
        '-d',
        'c',
        '--enable-api-logging',
        '--app-ssl',
        '--',
        '--app-id',
        'y',
      ],
      { accepts },
    );
    expect(values).toEqual({
      'app-id': 'x',
      'app-port': 3000,
      'enable-metrics': false,
      'resources-path': ['a', 'b', 'c'],
      'enable-api-logging': true,
      'app-ssl': true,
    });
    expect(rest).toEqual(['--app-id', 'y']);
    expect(warnings).toEqual(['--app-ssl is deprecated, use --app-protocol https or grpcs']);
    expect(parseArgs(['-a', 'x', 'node', '--inspect', 'app.js'], { accepts, program: true })).toMatchObject({
      values: { 'app-id': 'x' },
      rest: ['node', '--inspect', 'app.js'],
    });
    for (const wrong of [
      ['--app-port'],
      ['--app-port=70000'],
      ['--log-level', 'loud'],
      ['--max-body-size', 'x'],
      ['--app-health-threshold', '1.5'],
      ['--nope=1'],
      ['-x'],
    ]) {
      expect(() => parseArgs(wrong, { accepts })).toThrow(UsageError);
    }
  });

  it('makes the spec of an app as daprd understands its flags', () => {
    const system = { ...createNodeProcess(), env: () => undefined, cwd: () => '/w' };
    const spec = (...args: string[]) => sidecarSpec(parseArgs(args, { accepts: sidecarFlags }).values, system);
    expect(spec('--app-id', 'a')).toEqual({ ...specFromFlags('a', {}, system), origins: { 'app-id': { from: 'flag', name: 'app-id' } } });
    expect(spec('--app-id', 'a')).toMatchObject({
      namespace: 'default',
      httpPort: 3500,
      grpcPort: 50_001,
      bodyBytesMax: 4 * 1024 * 1024,
      headerBytesMax: 4096,
      reconcileMs: 60_000,
      metrics: { port: 9090 },
    });
    expect(spec('--app-id', 'a')).not.toHaveProperty('appHealth');
    expect(spec('--app-id=a', '--enable-app-health-check', '--app-health-threshold=0', '--app-health-probe-interval=0')).toMatchObject({
      appHealth: { path: '/healthz', intervalMs: 5000, timeoutMs: 500, threshold: 0 },
    });
    expect(
      spec('--app-id=a', '--app-ssl', '--app-protocol=grpc', '--resources-path=r', '--config=c.yaml', '--enable-metrics=false'),
    ).toMatchObject({
      appProtocol: 'grpcs',
      resourcePaths: ['/w/r'],
      configPaths: ['/w/c.yaml'],
    });
    expect(spec('--app-id=a', '--dapr-http-max-request-size=8').bodyBytesMax).toBe(8 * 1024 * 1024);
    expect(() => spec()).toThrow('--app-id is missing');
    expect(() => spec('--app-id=a.b')).toThrow('cannot be an app id');
    expect(() =>
      spec('--app-id=a', '--enable-app-health-check', '--app-health-probe-interval=1', '--app-health-probe-timeout=2000'),
    ).toThrow('must not exceed');
  });

  it('makes output of others harmless for a terminal and keeps its colours', () => {
    expect(harmless('\u001b[31mred\u001b[0m \u001b]0;title\u0007 \t x\u009b2J')).toBe(
      '\u001b[31mred\u001b[0m \\x1b]0;title\\x07 \t x\\x9b2J',
    );
  });
});
