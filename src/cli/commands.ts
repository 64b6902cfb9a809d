import type { CommandContext } from './context.ts';
import { sidecarFlags, type FlagName } from './flags.ts';

/** A command: what help and completion need at once, and where its code is. */
export interface Command {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly group: 'Start' | 'Look' | 'Poke' | 'Help';
  readonly summary: string;
  readonly usage: string;
  readonly examples: readonly string[];
  readonly flags: readonly FlagName[];
  /** The first positional and all that follows belong to a program. */
  readonly program?: boolean;
  /** Left out of the command list. */
  readonly hidden?: boolean;
  load(): Promise<{ run(context: CommandContext): Promise<number> }>;
}

const notOfRun: readonly FlagName[] = ['build-info', 'wait', 'dapr-public-port', 'dapr-public-listen-address'];

/** Flags of `run`: those of a sidecar and those of `dapr run`. */
const runFlags: readonly FlagName[] = [
  'run-file',
  'attach',
  'restart',
  'no-restart',
  'data-dir',
  'kubernetes',
  'runtime-path',
  ...sidecarFlags.filter((name) => !notOfRun.includes(name)),
];

export const commands: readonly Command[] = [
  {
    name: 'run',
    group: 'Start',
    summary: 'Start applications with everything around them',
    usage: 'proa run [flags] [-- command ...]',
    examples: [
      'proa run -- node app.js',
      'proa run -f .',
      'proa run --app-id orders --app-port 3000 --resources-path ./components -- npm start',
    ],
    flags: runFlags,
    program: true,
    load: () => import('./commands/run.ts'),
  },
  {
    name: 'sidecar',
    aliases: ['daprd'],
    group: 'Start',
    summary: 'Start the sidecar of one application; takes every flag of daprd',
    usage: 'proa sidecar --app-id <id> [flags]',
    examples: ['proa sidecar --app-id orders --app-port 3000 --resources-path ./components'],
    flags: ['data-dir', 'version', ...sidecarFlags],
    load: () => import('./commands/sidecar.ts'),
  },
  {
    name: 'demo',
    group: 'Start',
    summary: 'Start a small shop of several services and look around',
    usage: 'proa demo [flags]',
    examples: ['proa demo', 'proa demo --json'],
    flags: ['data-dir'],
    load: () => import('./commands/demo.ts'),
  },
  {
    name: 'list',
    aliases: ['ps', 'ls'],
    group: 'Look',
    summary: 'Show what runs on this machine',
    usage: 'proa list [flags]',
    examples: ['proa list', 'proa list --json'],
    flags: [],
    load: () => import('./commands/list.ts'),
  },
  {
    name: 'logs',
    group: 'Look',
    summary: 'Show the output of an application',
    usage: 'proa logs [app-id] [flags]',
    examples: ['proa logs orders', 'proa logs orders --follow'],
    flags: ['app-id', 'follow', 'lines'],
    load: () => import('./commands/logs.ts'),
  },
  {
    name: 'stop',
    group: 'Start',
    summary: 'Stop what `proa run` or `proa sidecar` started',
    usage: 'proa stop [app-id ...] [flags]',
    examples: ['proa stop orders', 'proa stop --all'],
    flags: ['app-id', 'all', 'timeout'],
    load: () => import('./commands/stop.ts'),
  },
  {
    name: 'invoke',
    aliases: ['call'],
    group: 'Poke',
    summary: 'Call a method of a running application',
    usage: 'proa invoke --app-id <id> --method <path> [flags]',
    examples: ['proa invoke --app-id orders --method place --data \'{"sku":"odyssey"}\'', 'proa invoke -a orders -m status --verb GET'],
    flags: ['app-id', 'method', 'verb', 'data', 'data-file', 'timeout'],
    load: () => import('./commands/invoke.ts'),
  },
  {
    name: 'publish',
    group: 'Poke',
    summary: 'Publish an event',
    usage: 'proa publish --publish-app-id <id> --topic <name> [flags]',
    examples: ['proa publish -i orders --pubsub pubsub --topic placed --data \'{"id":1}\''],
    flags: ['publish-app-id', 'pubsub', 'topic', 'data', 'data-file', 'metadata', 'timeout'],
    load: () => import('./commands/publish.ts'),
  },
  {
    name: 'doctor',
    group: 'Look',
    summary: 'Check machine and project, with a fix for what is wrong',
    usage: 'proa doctor [flags]',
    examples: ['proa doctor', 'proa doctor --resources-path ./components --json'],
    flags: ['resources-path', 'config', 'run-file', 'data-dir', 'dapr-http-port', 'dapr-grpc-port', 'metrics-port'],
    load: () => import('./commands/doctor.ts'),
  },
  {
    name: 'explain',
    group: 'Help',
    summary: 'Explain an error code',
    usage: 'proa explain <code>',
    examples: ['proa explain config.unknown-key', 'proa explain ERR_STATE_SAVE'],
    flags: [],
    load: () => import('./commands/explain.ts'),
  },
  {
    name: 'completion',
    group: 'Help',
    summary: 'Print a completion script for bash, zsh or fish',
    usage: 'proa completion <bash|zsh|fish>',
    examples: ['source <(proa completion bash)', 'proa completion fish > ~/.config/fish/completions/proa.fish'],
    flags: [],
    load: () => import('./commands/completion.ts'),
  },
  {
    name: 'version',
    group: 'Help',
    summary: 'Print the version',
    usage: 'proa version',
    examples: ['proa version --json'],
    flags: [],
    load: () => import('./commands/version.ts'),
  },
  {
    name: 'help',
    group: 'Help',
    summary: 'Print help about a command',
    usage: 'proa help [command]',
    examples: ['proa help run'],
    flags: [],
    load: () => import('./commands/help.ts'),
  },
];

/** A command by its name or an alias. */
export function findCommand(name: string): Command | undefined {
  return commands.find((command) => command.name === name || command.aliases?.includes(name));
}
