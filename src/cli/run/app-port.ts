import type { Address, Ports } from '../../kernel/ports.ts';

/** How often a new app is asked for its port: often while it starts, rarely when it seems to have none. */
const pollTimes = { soonMs: 100, laterMs: 1000, soonForMs: 15_000 } as const;
/** Node's inspector listens here and is never the app. */
const inspectorPorts = { from: 9229, to: 9248 } as const;

/** True when something accepts connections there. */
export function accepts(ports: Ports, address: Address, timeoutMs = 1000): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = ports.network.connect(address);
    const timer = ports.clock.timer(timeoutMs, () => finish(false), true);
    const finish = (answer: boolean): void => {
      timer.cancel();
      connection.destroy();
      resolve(answer);
    };
    connection.handlers = {
      open: () => finish(true),
      data() {},
      end() {},
      drain() {},
      close: () => finish(false),
    };
  });
}

/** A port that is free now: `preferred` or the next ones, then any. */
export async function freePort(ports: Ports, preferred: number, taken: Set<number>): Promise<number> {
  const candidates = [
    ...Array.from({ length: 20 }, (_, index) => preferred + index).filter((port) => preferred > 0 && port < 65_536 && !taken.has(port)),
    0,
  ];
  for (const port of candidates) {
    try {
      const listener = await ports.network.listen({ host: '127.0.0.1', port }, (connection) => connection.destroy());
      const { address } = listener;
      await listener.close();
      const found = 'port' in address ? address.port : 0;
      if (taken.has(found)) continue;
      taken.add(found);
      return found;
    } catch {
      // Taken by another program: try the next.
    }
  }
  return 0;
}

export interface PortSearch {
  readonly ports: Ports;
  readonly pid: number;
  /** The port that the app was told in PORT. */
  readonly told: number;
  readonly host: string;
  found(port: number): void;
}

/**
 * Watches a process until it (or a descendant) listens on a port: the one it was told, else the first that appears. Where the system
 * does not say who listens, the port it was told is tried. Returns a function that ends the search.
 */
export function watchForPort(search: PortSearch): () => void {
  const { ports, pid, told, host } = search;
  const beganMs = ports.clock.mono();
  let ended = false;
  const look = async (): Promise<number | undefined> => {
    const listening = await ports.process.listeningPorts(pid);
    if (listening.includes(told)) return told;
    const own = listening.filter((port) => port < inspectorPorts.from || port > inspectorPorts.to);
    if (own.length > 0) return Math.min(...own);
    return ports.process.platform !== 'linux' && (await accepts(ports, { host, port: told })) ? told : undefined;
  };
  const poll = async (): Promise<void> => {
    const port = await look().catch(() => undefined);
    if (ended) return;
    if (port !== undefined) {
      ended = true;
      search.found(port);
      return;
    }
    const delayMs = ports.clock.mono() - beganMs < pollTimes.soonForMs ? pollTimes.soonMs : pollTimes.laterMs;
    ports.clock.timer(delayMs, () => void poll(), true);
  };
  void poll();
  return () => {
    ended = true;
  };
}
