import { version } from '../host/version.ts';
import { nodePorts } from '../ports/node/index.ts';
import { main } from './main.ts';

/** The program `proa`: the real ports, the real host, and the exit code. */
export async function start(args: readonly string[]): Promise<void> {
  const ports = nodePorts();
  const loadHost = async () => (await import('../host/index.ts')).startHost;
  ports.process.exit(await main(args, { ports, loadHost, version }));
}
