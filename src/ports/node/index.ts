import type { Ports } from '../../kernel/ports.ts';
import { nodeClock } from './clock.ts';
import { nodeDisk } from './disk.ts';
import { createNodeNetwork } from './network.ts';
import { createNodeProcess } from './process.ts';
import { createNodeRandom } from './random.ts';

/** The real ports of this process. */
export function nodePorts(): Ports {
  return { clock: nodeClock, random: createNodeRandom(), network: createNodeNetwork(), disk: nodeDisk, process: createNodeProcess() };
}
