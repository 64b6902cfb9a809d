import type { Ports } from '../../kernel/ports.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { UsageError, valueOrDefault } from '../parse-args.ts';
import { tellUnknownApp } from '../unknown-app.ts';
import { findRuns, isAlive, type FoundRun, type ProcessId } from '../run-registry.ts';

async function gone(ports: Ports, process: ProcessId, untilMs: number): Promise<boolean> {
  while (isAlive(ports, process)) {
    if (ports.clock.mono() > untilMs) return false;
    await new Promise<void>((resolve) => void ports.clock.timer(50, resolve));
  }
  return true;
}

/** Signals a process group that we started ourselves; it may have ended meanwhile. */
function signalGroup(ports: Ports, pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    ports.process.signalTo(-pid, signal);
  } catch {
    // Ended.
  }
}

async function stopRun(ports: Ports, run: FoundRun, timeoutMs: number): Promise<boolean> {
  const untilMs = ports.clock.mono() + timeoutMs;
  if (run.alive) {
    ports.process.signalTo(run.record.process.pid, 'SIGTERM');
    return gone(ports, run.record.process, untilMs);
  }
  const left = run.leftovers.map(({ process }) => process).filter((process) => process !== undefined);
  for (const { pid } of left) signalGroup(ports, pid, 'SIGTERM');
  const ended = await Promise.all(left.map((process) => gone(ports, process, Math.min(untilMs, ports.clock.mono() + 5000))));
  for (const [index, { pid }] of left.entries()) if (ended[index] === false) signalGroup(ports, pid, 'SIGKILL');
  await ports.disk.remove(run.file).catch(() => {});
  return true;
}

/** `proa stop`: ends runs by the app ids they serve, and waits until they are gone. A run with several apps ends as a whole. */
export async function run({ ports, args, output }: CommandContext): Promise<number> {
  const { values, positionals } = args;
  const ids = [...positionals, ...(values['app-id'] === undefined ? [] : [values['app-id']])];
  if (ids.length === 0 && values.all !== true) throw new UsageError('which app?', 'proa stop <app-id>, or proa stop --all');
  const runs = await findRuns(ports);
  const chosen = runs.filter((run) => values.all === true || run.record.apps.some(({ id }) => ids.includes(id)));
  const missing = ids.filter((id) => !chosen.some((run) => run.record.apps.some((app) => app.id === id)));
  const timeoutMs = valueOrDefault(values, 'timeout') as number;
  const results = await Promise.all(
    chosen.map(async (run) => ({
      apps: run.record.apps.map(({ id }) => id),
      pid: run.record.process.pid,
      stopped: await stopRun(ports, run, timeoutMs),
    })),
  );
  if (output.json) output.value({ stopped: results, notFound: missing });
  if (runs.length === 0 && ids.length === 0) output.say('nothing runs');
  for (const { apps, stopped, pid } of results) {
    if (stopped) output.say(`stopped ${apps.join(', ')}`);
    else output.error(`${apps.join(', ')} (pid ${pid}) did not end in time`);
  }
  for (const id of missing) await tellUnknownApp({ ports, output }, id);
  if (missing.length > 0) return exitCodes.notFound;
  return results.every(({ stopped }) => stopped) ? exitCodes.ok : exitCodes.timeout;
}
