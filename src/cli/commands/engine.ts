import { resolve } from 'node:path';
import { backupData, copyData, downgradeDatabase, restoreData } from '../../host/engine-tools.ts';
import { describePlace, isDatabaseUrl, readEnginePlace } from '../../host/engine/engine-place.ts';
import { closest } from '../../kernel/closest.ts';
import type { CommandContext } from '../context.ts';
import { exitCodes } from '../context.ts';
import { dataDirectoryHere } from '../directories.ts';
import { databaseSetting, engineText } from '../engine-setting.ts';
import { UsageError } from '../parse-args.ts';
import { notTaken, strangerOf } from '../verbs.ts';

const progressEveryMs = 1_000;

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

async function backup({ ports, args, output }: CommandContext): Promise<void> {
  const { values } = args;
  if (values.to === undefined) throw new UsageError('where to?', 'proa engine backup --to <empty directory>');
  const from = await dataDirectoryHere(ports, values['data-dir']);
  const to = resolve(ports.process.cwd(), values.to);
  output.say(`backing up ${from}`);
  const watch = watchSize(ports, output, to);
  try {
    const summary = await backupData(ports, from, to);
    if (output.json) output.value({ from, to, ...summary });
    else output.line(`${summary.files} files, ${megabytes(summary.bytes)} in ${to}`);
  } finally {
    watch.stop();
  }
}

/** The copy is made by whichever process owns the data; what can be seen of it from here is the directory that fills. */
function watchSize(ports: CommandContext['ports'], output: CommandContext['output'], directory: string): { stop(): void } {
  let stopped = false;
  const look = async (): Promise<void> => {
    const names = await ports.disk.list(directory).catch(() => []);
    const files = await Promise.all(names.map((name) => ports.disk.stat(`${directory}/${name}`)));
    if (stopped) return;
    output.say(`  ${megabytes(files.reduce((sum, file) => sum + (file?.sizeBytes ?? 0), 0))}`);
    timer = ports.clock.timer(progressEveryMs, () => void look(), true);
  };
  let timer = ports.clock.timer(progressEveryMs, () => void look(), true);
  return {
    stop() {
      stopped = true;
      timer.cancel();
    },
  };
}

async function restore({ ports, args, output }: CommandContext): Promise<void> {
  const { values } = args;
  if (values.from === undefined) throw new UsageError('from where?', 'proa engine restore --from <backup>');
  const from = resolve(ports.process.cwd(), values.from);
  const to = await dataDirectoryHere(ports, values['data-dir']);
  output.say(`restoring into ${to}`);
  const summary = await restoreData(ports, from, to);
  if (output.json) output.value({ from, to, ...summary });
  else output.line(`${summary.files} files, ${megabytes(summary.bytes)} in ${to}, as of ${new Date(summary.timeMs).toISOString()}`);
}

async function copy({ ports, args, output }: CommandContext): Promise<void> {
  const { values } = args;
  if (values.to === undefined) throw new UsageError('where to?', 'proa engine copy --to postgres://user@host/database');
  const cwd = ports.process.cwd();
  const own = await dataDirectoryHere(ports, values['data-dir']);
  const from = readEnginePlace(values.from === undefined ? own : await engineText(ports, 'from', values.from), cwd);
  const to = readEnginePlace(await engineText(ports, 'to', values.to), cwd);
  const [fromText, toText] = [describePlace(from), describePlace(to)];
  output.say(`copying ${fromText} to ${toText}`);
  let toldMs = ports.clock.mono();
  const copied = await copyData(ports, { from, to }, ({ keys, entries }) => {
    if (ports.clock.mono() - toldMs < progressEveryMs) return;
    toldMs = ports.clock.mono();
    output.say(`  ${keys} keys, ${entries} log entries`);
  });
  if (output.json) output.value({ from: fromText, to: toText, ...copied });
  else output.line(`${copied.keys} keys and ${copied.entries} log entries are in ${toText}`);
}

async function downgrade({ ports, args, output }: CommandContext): Promise<void> {
  const { values } = args;
  const format = Number(values.format ?? '');
  const usage = 'proa engine downgrade --engine postgres://user@host/database --format <number>';
  if (values.format === undefined || !Number.isSafeInteger(format) || format < 1) throw new UsageError('back to which format?', usage);
  const database = await databaseSetting(ports, values.engine);
  if (database === undefined) throw new UsageError('which database? a journal has no way back', usage);
  const place = readEnginePlace(database, ports.process.cwd());
  const passed = await downgradeDatabase(place, format);
  if (output.json) output.value({ engine: describePlace(place), ...passed });
  else output.line(`${describePlace(place)} had format ${passed.from} and has format ${passed.to}`);
}

const actions = { backup, restore, copy, downgrade };

const instead: Readonly<Record<string, string>> = {
  'backup from': 'what to back up is named by --data-dir',
  'backup engine': ofDatabases(),
  'restore to': 'where to is named by --data-dir',
  'restore engine': 'proa engine copy --from <data directory> --to <database>',
  'copy engine': 'proa engine copy --from <data directory or database> --to <data directory or database>',
};

function ofDatabases(): string {
  return 'a database is backed up with its own tools (pg_dump), or copied: proa engine copy --from <database> --to <directory>';
}

/** What would be left out silently here is mostly the place that was meant: somebody else's data would be backed up or written. */
function refuseOthers({ command, args, ports }: CommandContext, action: keyof typeof actions): void {
  const { values } = args;
  const wrong = strangerOf(command, action, values);
  if (wrong !== undefined) throw new UsageError(notTaken(command, action, wrong), instead[`${action} ${wrong}`] ?? `proa help engine`);
  const setting = ports.process.env('PROA_ENGINE') ?? '';
  if (action === 'backup' && values['data-dir'] === undefined && isDatabaseUrl(setting))
    throw new UsageError('PROA_ENGINE names a database, and a backup is made of a data directory', ofDatabases());
}

/** `proa engine backup|restore|copy|downgrade`: what is stored, as a whole. */
export async function run(context: CommandContext): Promise<number> {
  const [name, ...more] = context.args.positionals;
  if (name === undefined || !Object.hasOwn(actions, name) || more.length > 0) {
    const guess = name === undefined || more.length > 0 ? undefined : closest(name, Object.keys(actions));
    throw new UsageError(
      'backup, restore, copy or downgrade?',
      guess === undefined ? 'proa help engine' : `did you mean \`proa engine ${guess}\`?`,
    );
  }
  refuseOthers(context, name as keyof typeof actions);
  await actions[name as keyof typeof actions](context);
  return exitCodes.ok;
}
