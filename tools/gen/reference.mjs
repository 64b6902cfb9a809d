// The pages of docs/reference, each out of the table that the program itself uses. Bundled and run by tools/gen/docs.mjs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { commands } from '../../src/cli/commands.ts';
import { flagOf, globalFlags } from '../../src/cli/flags.ts';
import { exitCodes } from '../../src/cli/context.ts';
import { apiRoutes } from '../../src/fronts/http/routes/all.ts';
import { unimplementedRoutes } from '../../src/fronts/http/routes/unimplemented.ts';
import { cryptoRows } from '../../src/fronts/grpc/rows/crypto.ts';
import { invokeRows } from '../../src/fronts/grpc/rows/invoke.ts';
import { publishRows } from '../../src/fronts/grpc/rows/publish.ts';
import { runtimeRows } from '../../src/fronts/grpc/rows/runtime.ts';
import { stateRows } from '../../src/fronts/grpc/rows/state.ts';
import { storeRows } from '../../src/fronts/grpc/rows/stores.ts';
import { workflowRows } from '../../src/fronts/grpc/rows/workflow.ts';
import { TaskHubSidecarService } from '../../src/gen/durabletask/taskhub_pb.ts';
import { Dapr } from '../../src/gen/dapr/proto/runtime/v1/dapr_pb.ts';
import { driverIndex } from '../../src/gen/drivers.ts';
import { problemCodes } from '../../src/host/config/problem-codes.ts';
import { catalogue } from '../../src/kernel/catalogue.ts';
import { limits } from '../../src/kernel/limits.ts';
import { defaultHttp2Limits as http2 } from '../../src/wire/http2/http2.ts';

const notice = (source) => `<!-- Made by tools/gen/docs.mjs from ${source}; do not edit. -->\n`;
// Outside code, `<` would begin a tag.
const cell = (text) =>
  String(text)
    .replaceAll('|', '\\|')
    .replaceAll('\n', ' ')
    .split('`')
    .map((part, index) => (index % 2 === 0 ? part.replaceAll('<', '&lt;') : part))
    .join('`');
const table = (head, rows) =>
  [`| ${head.join(' | ')} |`, `|${head.map(() => ' --- ').join('|')}|`, ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`)].join(
    '\n',
  );
const page = (title, source, ...parts) => `${notice(source)}\n# ${title}\n\n${parts.filter((part) => part !== '').join('\n\n')}\n`;

function cliPage() {
  const rowOf = (name, only = {}) => {
    const flag = flagOf(name);
    const of = only[name] === undefined ? '' : `${only[name].map((verb) => `\`${verb}\``).join(', ')}: `;
    const written = `\`--${name}${flag.type === 'flag' ? '' : ` <${flag.value ?? flag.type}>`}\`${flag.short === undefined ? '' : `, \`-${flag.short}\``}`;
    const words = flag.words === undefined ? '' : ` One of ${flag.words.join(', ')}.`;
    return [
      written,
      `${of}${flag.doc}.${words}${flag.inert === true ? ' Accepted for Dapr’s sake, without effect.' : ''}`,
      flag.fallback ?? '',
    ];
  };
  const sections = commands
    .filter((command) => command.hidden !== true)
    .map((command) => {
      const names = command.flags.filter((name) => flagOf(name).deprecated === undefined);
      const aliases = command.aliases === undefined ? '' : ` Also: ${command.aliases.map((alias) => `\`${alias}\``).join(', ')}.`;
      const flagTable =
        names.length === 0
          ? ''
          : `\n\n${table(
              ['flag', 'meaning', 'default'],
              names.map((name) => rowOf(name, command.only)),
            )}`;
      return `## proa ${command.name}\n\n${command.summary}.${aliases}\n\n\`\`\`text\n${[command.usage, '', ...command.examples].join('\n')}\n\`\`\`${flagTable}`;
    });
  const codes = Object.entries(exitCodes).map(([name, code]) => [code, name.replaceAll(/([A-Z])/g, (c) => ` ${c.toLowerCase()}`)]);
  return page(
    'Command line',
    'src/cli/commands.ts and src/cli/flags.ts',
    ...sections,
    `## Every command\n\n${table(
      ['flag', 'meaning', 'default'],
      globalFlags.map((name) => rowOf(name)),
    )}`,
    `## Exit codes\n\n\`proa run\` with one application passes the application's own code on; a signal n gives 128 + n.\n\n${table(['code', 'meaning'], codes)}`,
  );
}

function httpPage() {
  const missing = new Set(unimplementedRoutes);
  const groups = [...new Set(apiRoutes.filter((row) => !missing.has(row)).map((row) => row.group))];
  const rows = (wanted) => wanted.map((row) => [row.methods.join(', '), `\`${row.path}\``, row.name]);
  return page(
    'HTTP API',
    'src/fronts/http/routes',
    'The API of a runtime, as Dapr defines it. What matches no row is a service invocation when the request names its target in the header `dapr-app-id`. Errors: [errors](errors.md).',
    '## invocation\n\n`ANY /v1.0/invoke/{app-id}/method/{path...}`, or any path with the header `dapr-app-id`. Bodies stream.',
    ...groups.map(
      (group) =>
        `## ${group}\n\n${table(['methods', 'path', 'name'], rows(apiRoutes.filter((row) => row.group === group && !missing.has(row))))}`,
    ),
    `## Not in this version\n\nThese answer 501 with \`ERR_API_UNIMPLEMENTED\`.\n\n${table(['methods', 'path', 'name'], rows(unimplementedRoutes))}`,
  );
}

function grpcPage() {
  const front = { clock: undefined, blocks: undefined, tracer: undefined, caller: { appId: '', namespace: '' }, ended: () => {} };
  const handled = new Set(
    [cryptoRows, (own) => invokeRows(own, 1), publishRows, runtimeRows, stateRows, storeRows, workflowRows].flatMap((rows) =>
      Object.keys(rows(front)),
    ),
  );
  const rows = (wanted) =>
    wanted.map((method) => [`\`${method.name}\``, method.methodKind.replaceAll('_', ' '), method.input.name, method.output.name]);
  const [here, missing] = [
    Dapr.methods.filter(({ localName }) => handled.has(localName)),
    Dapr.methods.filter(({ localName }) => !handled.has(localName)),
  ];
  return page(
    'gRPC API',
    'src/fronts/grpc/rows and Dapr’s .proto files',
    `Service \`${Dapr.typeName}\`, with \`grpc.health.v1.Health\` and server reflection. Calls of other services go to the app that the metadata \`dapr-app-id\` names. \`InvokeService\` is unary: the whole request and the whole answer stand in memory, up to \`--max-body-size\`; streams of any length go through the transparent proxy, or over HTTP. The proxied call passes the [policies](policy.md) of its target and their balancing like any invocation; until an answer begins, and while the caller has sent at most 64 KB, it may be repeated. What a Configuration leaves out (\`spec.api\`) answers UNIMPLEMENTED.`,
    `The bytes that \`RegisterActorReminder\` and \`RegisterActorTimer\` carry reach the actor as a JSON text in base64, as with Dapr; with the metadata \`proa-json-data\` they are JSON and stay it. Where an \`Any\` carries such data (\`GetActorReminder\`, \`ListActorReminders\`, the stream of actor events), it is a \`google.protobuf.BytesValue\` with the JSON.`,
    table(['rpc', 'kind', 'request', 'answer'], rows(here)),
    `## Workflow workers and clients\n\nService \`${TaskHubSidecarService.typeName}\` (it has no package), for the workflow SDKs of Dapr: [guide](../guides/dapr-workflows.md). Older SDKs have other names for some messages; the numbers are the same.\n\n${table(['rpc', 'kind', 'request', 'answer'], rows(TaskHubSidecarService.methods))}`,
    `## Not in this version\n\nThese answer \`UNIMPLEMENTED\`.\n\n${table(['rpc', 'kind', 'request', 'answer'], rows(missing))}`,
  );
}

// The sentence above a property in its source is its documentation.
function commentsOf(root, folder) {
  const comments = new Map();
  for (const file of ['config.ts', 'index.ts']) {
    let text = '';
    try {
      text = readFileSync(join(root, 'src/drivers', folder, file), 'utf8');
    } catch {
      continue;
    }
    for (const [, comment, name] of text.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*'?([\w.-]+)'?:/g))
      comments.set(name, comment.replaceAll(/\s*\n\s*\*?\s*/g, ' ').trim());
  }
  return comments;
}

function entriesOf(schema) {
  if (schema?.entries !== undefined) return schema.entries;
  for (const part of schema?.pipe ?? []) if (part !== schema && part?.entries !== undefined) return part.entries;
  return {};
}

function typeOf(schema) {
  const wrapped = schema.wrapped ?? schema;
  if (wrapped.type === 'picklist') return wrapped.options.map((option) => `\`${option}\``).join(' ');
  const pipe = wrapped.pipe ?? [];
  const says = (part) => (typeof part.message === 'string' ? part.message : '');
  const message = pipe.map(says).find((text) => text !== '') ?? '';
  if (pipe.some((part) => part.type === 'metadata' && part.metadata.sensitive === true)) return 'secret text';
  for (const [word, name] of [
    ['duration', 'duration'],
    ['size', 'size'],
    ['true or false', 'true/false'],
    ['whole number', 'number'],
  ])
    if (message.includes(word)) return name;
  return 'text';
}

function propertyRows(definition, comments) {
  return Object.entries(entriesOf(definition.config)).map(([name, schema]) => {
    const optional = ['optional', 'exact_optional', 'nullish'].includes(schema.type);
    const fallback = optional && typeof schema.default === 'string' ? `\`${schema.default}\`` : '';
    return [`\`${name}\``, typeOf(schema), optional ? fallback : 'required', comments.get(name) ?? ''];
  });
}

async function componentsPage(root) {
  const sections = [];
  const seen = new Set();
  for (const entry of Object.values(driverIndex)) {
    if (seen.has(entry.folder)) continue;
    seen.add(entry.folder);
    const definition = await entry.load();
    const rows = propertyRows(definition, commentsOf(root, entry.folder));
    const facts = [`Versions ${definition.versions.join(', ')}; ${definition.status}.`];
    if (definition.capabilities.length > 0) facts.push(`Capabilities: ${definition.capabilities.join(', ')}.`);
    if (definition.openProperties === true) facts.push('Takes further properties as they are.');
    const properties = rows.length === 0 ? '' : `\n\n${table(['property', 'type', 'default', 'meaning'], rows)}`;
    sections.push([definition.kind, `### ${definition.types.map((type) => `\`${type}\``).join(', ')}\n\n${facts.join(' ')}${properties}`]);
  }
  const kinds = [...new Set(sections.map(([kind]) => kind))];
  return page(
    'Components',
    'the drivers’ definitions and schemas',
    'Metadata of components is text; durations are written `500ms`, `10s`, `1h30m`, sizes `512`, `4Ki`, `100Mi`. Names are matched without regard to case; an unknown one is an error.',
    ...kinds.map(
      (kind) =>
        `## ${kind}\n\n${sections
          .filter(([of]) => of === kind)
          .map(([, text]) => text)
          .join('\n\n')}`,
    ),
  );
}

function errorsPage() {
  const rows = Object.entries(catalogue).map(([code, spec]) => [
    `\`${code}\``,
    `\`${spec.errorCode}\`${spec.reason === undefined ? '' : ` \`${spec.reason}\``}`,
    spec.http,
    spec.grpc,
    spec.retry,
    `${spec.title}${spec.hint === undefined ? '' : `. ${spec.hint}`}`,
  ]);
  return page(
    'Errors',
    'src/kernel/catalogue.ts',
    'Every error that leaves a runtime. HTTP answers carry `{"errorCode", "message", "details"}`. Where there is something to do next (of a name that is not there: which one was probably meant, or which there are), the last of `details` is a `google.rpc.LocalizedMessage` that says it; gRPC answers the status, with the hint in the trailer `x-proa-hint`, percent-encoded as `grpc-message` is. `proa explain <code>` takes the first two columns. Retry: `safe` may be repeated, `never` cannot help, `unknown` may have happened.',
    table(['code', 'on the wire', 'HTTP', 'gRPC', 'retry', 'meaning'], rows),
  );
}

function configurationPage() {
  const kinds = [
    ['Component', 'the whole resource; properties per type: [components](components.md)'],
    ['Configuration', 'tracing, metrics, API allow and deny lists, access control, secret scopes, HTTP middleware, API logging'],
    ['Subscription', '`v1alpha1` and `v2alpha1`'],
    ['HTTPEndpoint', 'targets of service invocation outside, with headers and TLS'],
    ['Resiliency', 'timeouts, retries, circuit breakers for apps, components and actors: [policies](policy.md)'],
    [
      'WorkflowAccessPolicy',
      'what other apps may do with workflows and activities: [workflows](../guides/dapr-workflows.md#what-other-apps-may-do)',
    ],
    ['Policy (`proa.dev/v1alpha1`)', 'what Resiliency lacks: [policies](policy.md)'],
    ['Rollout (`proa.dev/v1alpha1`)', 'a version of an app that takes over step by step: [rollouts](policy.md#rollouts)'],
  ];
  const features = [
    [
      '`WorkflowHistorySigning`',
      'off',
      'histories of workflows are signed, and verified: [signed workflows](../guides/signed-workflows.md)',
    ],
  ];
  const rows = Object.entries(problemCodes).map(([code, { title, why, fix }]) => [`\`${code}\``, title, `${why} ${fix}`]);
  return page(
    'Configuration files',
    'src/host/config',
    'YAML resources of `dapr.io` and `proa.dev`, from `--resources-path`, `--config`, or the folder that a run file names. All problems are reported at once, with file, line and column; `proa doctor` checks without starting.',
    table(['kind', 'what is read'], kinds),
    '## Features',
    '`spec.features` of a Configuration turns these on and off, each by name; others are reported by the metadata API and change nothing.',
    table(['feature', 'default', 'what it does'], features),
    `## Problems\n\n${table(['code', 'what it is', 'why, and what to do'], rows)}`,
  );
}

function limitsPage() {
  const rows = Object.entries(limits).map(([name, value]) => [`\`${name}\``, value]);
  return page(
    'Limits',
    'src/kernel/limits.ts',
    'Limits that more than one part honours; at each there is a clear error. Bodies and headers: `--max-body-size`, `--read-buffer-size`. Components have limits of their own: [components](components.md).',
    table(['limit', 'value'], rows),
    '## HTTP/2',
    'gRPC speaks it by our own codec, or by `node:http2` with `PROA_HTTP2=node`. HTTP/2 on the HTTP port and into h2c apps is always by ours. The one by Node is for comparison and for doubt, not for peers that may be hostile: it lacks what the table says.',
    table(['what a peer may do', 'our codec', 'with `PROA_HTTP2=node`'], http2Rows()),
  );
}

function http2Rows() {
  const seconds = (ms) => `${ms / 1_000} s`;
  const same = 'the same';
  return [
    ['open streams of a connection', http2.streamsMax, same],
    ['connections of a listener', http2.connectionsMax, same],
    ['windows: a stream, a connection', `${http2.streamWindowBytes}, ${http2.connectionWindowBytes} bytes`, same],
    [
      'header fields of a request',
      `${http2.headerBytesMax} bytes, ${http2.headersMax} fields: 431`,
      `the same bytes: 431; more fields: the stream is reset`,
    ],
    [
      'until the preface and the first SETTINGS; until ours are acknowledged',
      `${seconds(http2.handshakeTimeoutMs)}; ${seconds(http2.settingsTimeoutMs)}`,
      same,
    ],
    [
      'a header block on the wire',
      `128 KiB, 32 frames, ${seconds(http2.headersTimeoutMs)}`,
      'frames and bytes as nghttp2 limits them; **no time**: a block that never ends holds its connection until the keep-alive gives the peer up',
    ],
    [
      'frames that carry nothing, in 10 s',
      `${http2.controlFramesMax}, of all kinds together`,
      `${http2.controlFramesMax} PING, SETTINGS and reset streams together; **not counted**: empty DATA, PRIORITY, unknown types, WINDOW_UPDATE, tiny windows. Invalid frames: 1000, refused streams: 100 per connection, whatever the time`,
    ],
    ['answers that wait for a reader: no new calls', '16 MiB a connection', '10 MB of memory a connection, as Node counts it'],
    [
      'the same: running calls are refused',
      '64 MiB a connection, 192 MiB a listener',
      '**none**: what a call answered waits until it is read or the call ends',
    ],
    ['a complete answer that nobody takes', `${seconds(http2.writeTimeoutMs)}, then CANCEL`, '**none** but the deadline of the call'],
    [
      'bytes that nobody reads from the socket',
      `256 KiB: not read either; ${seconds(http2.writeTimeoutMs)}: cut off`,
      '**none** but the keep-alive',
    ],
  ];
}

/** File names below docs/reference and their texts. */
export async function referencePages(root) {
  return {
    'cli.md': cliPage(),
    'http-api.md': httpPage(),
    'grpc-api.md': grpcPage(),
    'components.md': await componentsPage(root),
    'errors.md': errorsPage(),
    'configuration.md': configurationPage(),
    'limits.md': limitsPage(),
  };
}
