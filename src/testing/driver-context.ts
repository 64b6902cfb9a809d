import type { DriverContext } from '../contracts/driver.ts';
import type { HttpClient } from '../contracts/http-client.ts';
import type { Logger, LogFields } from '../kernel/log.ts';
import { silentLogger } from '../kernel/log.ts';
import type { Clock, Datagrams, Disk, Dns, Network, Ports, ProcessPort, Random } from '../kernel/ports.ts';

export interface TestSurroundings {
  readonly clock?: Clock;
  readonly disk?: Disk;
  readonly network?: Network;
  readonly http?: HttpClient;
  readonly random?: Random;
  readonly dns?: Dns;
  readonly datagrams?: Datagrams;
  readonly env?: Readonly<Record<string, string>>;
  readonly log?: Logger;
  /** The component's name (default `component`). */
  readonly name?: string;
  /** Its version (default `v1`). */
  readonly version?: string;
}

/** What a driver is given in a test. A port that the test did not supply fails at its first use and says which one it was. */
export function testDriverContext(surroundings: TestSurroundings = {}): DriverContext {
  return {
    ports: testPorts(surroundings),
    log: surroundings.log ?? silentLogger,
    name: surroundings.name ?? 'component',
    version: surroundings.version ?? 'v1',
    appId: 'app',
    namespace: 'default',
    http: surroundings.http ?? absent<HttpClient>('http'),
    engine: () => Promise.reject(new Error('the test supplied no engine')),
  };
}

/** The ports of a test, on the same terms. */
export function testPorts(surroundings: TestSurroundings = {}): Ports {
  return {
    clock: surroundings.clock ?? absent<Clock>('clock'),
    disk: surroundings.disk ?? absent<Disk>('disk'),
    network: surroundings.network ?? absent<Network>('network'),
    random: surroundings.random ?? countingRandom(),
    process: processWith(surroundings.env ?? {}),
    dns: surroundings.dns ?? absent<Dns>('dns'),
    datagrams: surroundings.datagrams ?? absent<Datagrams>('datagrams'),
  };
}

/** A logger that keeps its lines as text, for tests that look for what must or must not be there. */
export function recordingLogger(lines: string[]): Logger {
  const write =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), scoped: () => logger };
  return logger;
}

function absent<Port extends object>(name: string): Port {
  const fail = (_target: object, member: string | symbol): never => {
    throw new Error(`the test supplied no ${name}, and ${String(member)} was asked of it`);
  };
  return new Proxy({}, { get: fail }) as Port;
}

function processWith(env: Readonly<Record<string, string>>): ProcessPort {
  const known: Partial<ProcessPort> = {
    pid: 1,
    platform: 'linux',
    nodeVersion: process.versions.node,
    env: (name) => (Object.hasOwn(env, name) ? env[name] : undefined),
    environment: () => env,
    cwd: () => '/work',
    hostName: () => 'host',
  };
  const fallback = absent<ProcessPort>('process');
  return new Proxy(known, {
    get: (target, member) => (member in target ? Reflect.get(target, member) : Reflect.get(fallback, member)),
  }) as ProcessPort;
}

// Distinct values without a source of chance, so that a failing test fails again.
function countingRandom(): Random {
  let count = 0;
  return {
    hex: (digits) => (count = (Math.imul(count, 1_664_525) + 1_013_904_223) >>> 0).toString(16).padStart(digits, '0').slice(0, digits),
    u32: () => (count = (Math.imul(count, 1_664_525) + 1_013_904_223) >>> 0),
    bytes: (length) => Uint8Array.from({ length }, () => (count = (Math.imul(count, 1_664_525) + 1_013_904_223) >>> 0) >>> 24),
    uuid: () => `00000000-0000-4000-8000-${String(++count).padStart(12, '0')}`,
  };
}
