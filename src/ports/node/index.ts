import type { Ports } from '../../kernel/ports.ts';
import { nodeClock } from './clock.ts';
import { createNodeDatagrams } from './datagrams.ts';
import { nodeDisk } from './disk.ts';
import { createNodeDns } from './dns.ts';
import { createNodeNetwork, type NodeNetworkOptions } from './network.ts';
import { createNodeProcess } from './process.ts';
import { createNodeRandom } from './random.ts';

/** The real world: the machine's clock, random source, sockets, name servers, files and processes. */
export function nodePorts(options: { readonly network?: NodeNetworkOptions } = {}): Ports {
  const network = createNodeNetwork(options.network);
  return {
    clock: nodeClock,
    random: createNodeRandom(),
    network,
    disk: nodeDisk,
    process: createNodeProcess(network),
    dns: createNodeDns(),
    datagrams: createNodeDatagrams(),
  };
}
