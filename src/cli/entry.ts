import { version } from '../host/version.ts';
import { nodeClock } from '../ports/node/clock.ts';
import { nodeDisk } from '../ports/node/disk.ts';
import { createNodeNetwork } from '../ports/node/network.ts';
import { createNodeProcess } from '../ports/node/process.ts';
import { createNodeRandom } from '../ports/node/random.ts';
import { main } from './main.ts';

/** The program `proa`: the real ports, the real host, and the exit code. */
export async function start(args: readonly string[]): Promise<void> {
  const process = createNodeProcess();
  const ports = { clock: nodeClock, random: createNodeRandom(), network: createNodeNetwork(), disk: nodeDisk, process };
  const loadHost = async () => (await import('../host/index.ts')).startHost;
  process.exit(await main(args, { ports, loadHost, version }));
}
