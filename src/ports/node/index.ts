import type { Ports } from '../../kernel/ports.ts';
import { nodeClock } from './clock.ts';
import { createNodeDatagrams } from './datagrams.ts';
import { createNodeDisk } from './disk.ts';
import { createNodeDns } from './dns.ts';
import { createNodeNetwork, type NodeNetworkOptions } from './network.ts';
import { createNodeProcess } from './process.ts';
import { createNodeRandom } from './random.ts';

/** The real world: the machine's clock, random source, sockets, name servers, files and processes. */
export function nodePorts(options: { readonly network?: NodeNetworkOptions } = {}): Ports {
  const network = createNodeNetwork(options.network);
  const random = createNodeRandom();
  return {
    clock: nodeClock,
    random,
    network,
    disk: createNodeDisk(random),
    process: createNodeProcess(network),
    dns: createNodeDns(),
    datagrams: createNodeDatagrams(),
  };
}
