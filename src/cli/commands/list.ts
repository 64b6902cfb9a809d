import { exitCodes, type CommandContext } from '../context.ts';
import { findRuns, type FoundRun } from '../run-registry.ts';

/** One row of `proa list --json`; the shape is stable. */
interface ListRow {
  readonly appId: string;
  readonly mode: string;
  readonly status: 'running' | 'left behind';
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly metricsPort: number | null;
  readonly appPort: number | null;
  readonly runtimePid: number;
  readonly appPid: number | null;
  readonly command: readonly string[] | null;
  readonly directory: string;
  readonly startedAt: string;
}

function rowsOf({ record, alive, leftovers }: FoundRun): ListRow[] {
  return (alive ? record.apps : leftovers).map((app) => ({
    appId: app.id,
    mode: record.mode,
    status: alive ? 'running' : 'left behind',
    httpPort: app.httpPort,
    grpcPort: app.grpcPort,
    metricsPort: app.metricsPort ?? null,
    appPort: app.appPort ?? null,
    runtimePid: record.process.pid,
    appPid: app.process?.pid ?? null,
    command: app.command ?? null,
    directory: record.directory,
    startedAt: new Date(record.startedAtMs).toISOString(),
  }));
}

function age(sinceMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - sinceMs) / 1000));
  if (seconds < 120) return `${seconds}s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)}m` : `${Math.round(seconds / 3600)}h`;
}

/** `proa list`: what runs on this machine. */
export async function run({ ports, output }: CommandContext): Promise<number> {
  const rows = (await findRuns(ports)).flatMap(rowsOf);
  if (output.json) {
    output.value(rows);
    return exitCodes.ok;
  }
  if (rows.length === 0) {
    output.say('nothing runs; start something with `proa run -- <command>`');
    return exitCodes.ok;
  }
  const head = ['APP ID', 'HTTP', 'GRPC', 'APP PORT', 'PID', 'APP PID', 'AGE', 'STATUS', 'COMMAND'];
  const cells = rows.map((row) => [
    row.appId,
    String(row.httpPort),
    String(row.grpcPort),
    row.appPort === null ? '-' : String(row.appPort),
    String(row.runtimePid),
    row.appPid === null ? '-' : String(row.appPid),
    age(Date.parse(row.startedAt), ports.clock.now()),
    row.status,
    row.command === null ? '-' : row.command.join(' ').slice(0, 60),
  ]);
  output.table([head, ...cells]);
  if (rows.some(({ status }) => status === 'left behind')) output.say('`proa stop --all` ends what was left behind');
  return exitCodes.ok;
}
