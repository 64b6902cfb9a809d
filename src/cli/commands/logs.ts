import type { Ports } from '../../kernel/ports.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { harmless } from '../output.ts';
import { UsageError, valueOrDefault } from '../parse-args.ts';
import { findRuns } from '../run-registry.ts';
import { tellUnknownApp } from '../unknown-app.ts';
import { lineSplitter } from '../run/lines.ts';

/** How much of the end of a log is read for its last lines. */
const tailBytes = 1024 * 1024;

async function readFrom(ports: Ports, file: string, position: number): Promise<Uint8Array> {
  const handle = await ports.disk.open(file, 'read');
  try {
    const size = await handle.size();
    // A log that became shorter was exchanged for a new one.
    const from = position > size ? 0 : position;
    return await handle.read(from, Math.min(tailBytes, size - from));
  } finally {
    await handle.close();
  }
}

/** `proa logs`: the last lines of an app's output, and with --follow what comes. */
export async function run({ ports, args, output }: CommandContext): Promise<number> {
  const id = args.positionals[0] ?? args.values['app-id'];
  const wanted = valueOrDefault(args.values, 'lines') as number;
  if (wanted < 0) throw new UsageError('--lines must not be negative');
  const runs = await findRuns(ports);
  const apps = runs.flatMap(({ record }) => record.apps).filter((app) => app.logFile !== undefined && (id === undefined || app.id === id));
  const [app] = apps;
  if (id === undefined && apps.length > 1)
    throw new UsageError(`which app? (${apps.map((item) => item.id).join(', ')})`, 'proa logs <app-id>');
  if (app?.logFile === undefined) {
    if (id !== undefined && !runs.some(({ record }) => record.apps.some((each) => each.id === id)))
      return tellUnknownApp({ ports, output }, id);
    output.error(
      id === undefined ? 'no app with a log runs on this machine' : `no app "${id}" with a log runs on this machine`,
      '`proa run` keeps the output of the apps that it starts; those that are only served have no log here',
    );
    return exitCodes.notFound;
  }
  const print = (line: string): void => (output.json ? output.value({ app: app.id, line }) : output.line(harmless(line)));
  const file = app.logFile;
  const size = (await ports.disk.stat(file))?.sizeBytes ?? 0;
  const lines: string[] = [];
  const first = lineSplitter((line) => void lines.push(line));
  first.write(await readFrom(ports, file, Math.max(0, size - tailBytes)));
  if (args.values.follow !== true) first.end();
  for (const line of lines.slice(Math.max(0, lines.length - wanted))) print(line);
  if (args.values.follow === true) await follow(ports, { file, size, line: print });
  return exitCodes.ok;
}

async function follow(ports: Ports, from: { file: string; size: number; line(text: string): void }): Promise<void> {
  let position = from.size;
  let ended = false;
  // They stay caught when the loop has ended: without a listener the next signal would end the process in the system's way, and the exit code would be lost.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) ports.process.onSignal(signal, () => (ended = true));
  const splitter = lineSplitter((text) => from.line(text));
  while (!ended) {
    const size = (await ports.disk.stat(from.file))?.sizeBytes ?? 0;
    if (size < position) position = 0;
    if (size > position) {
      const bytes = await readFrom(ports, from.file, position);
      position += bytes.length;
      splitter.write(bytes);
    } else {
      await new Promise<void>((resolve) => void ports.clock.timer(200, resolve));
    }
  }
}
