import type { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Dns, DnsAddress } from '../../kernel/ports.ts';

export interface NodeDnsOptions {
  /** `address:port` of the name servers; absent: those of the machine. */
  readonly servers?: readonly string[];
  /** Per try (default 2 s) and how often each server is tried (default 2). */
  readonly timeoutMs?: number;
  readonly tries?: number;
}

// The name exists without such records, or does not exist: both are answers.
const nothing = new Set(['ENODATA', 'ENOTFOUND']);
const literalTtlSeconds = 3_600;

/** Asks the machine's name servers directly: no `getaddrinfo`, hence no thread of the pool that writes to disk. The hosts file is not read. */
export function createNodeDns({ servers, timeoutMs = 2_000, tries = 2 }: NodeDnsOptions = {}): Dns {
  // Loaded by the first question: most runtimes ask none.
  let made: Promise<Resolver> | undefined;
  const resolver = (): Promise<Resolver> => {
    made ??= import('node:dns/promises').then((loaded) => {
      const opened = new loaded.Resolver({ timeout: timeoutMs, tries });
      if (servers !== undefined) opened.setServers([...servers]);
      return opened;
    });
    return made;
  };
  return {
    async addresses(name) {
      if (isIP(name) !== 0) return [{ address: name, ttlSeconds: literalTtlSeconds }];
      const asked = await resolver();
      const [four, six] = await Promise.allSettled([
        orNothing(asked.resolve4(name, { ttl: true })),
        orNothing(asked.resolve6(name, { ttl: true })),
      ]);
      const found = [four, six].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
      // Half an answer is one, as long as it names somebody.
      if (found.length === 0) for (const answer of [four, six]) if (answer.status === 'rejected') throw answer.reason as Error;
      return found.map(({ address, ttl }): DnsAddress => ({ address, ttlSeconds: ttl }));
    },
    async services(name) {
      const records = await orNothing((await resolver()).resolveSrv(name));
      return records.map(({ name: host, port, priority, weight }) => ({ host, port, priority, weight }));
    },
  };
}

async function orNothing<T>(asked: Promise<T[]>): Promise<T[]> {
  try {
    return await asked;
  } catch (error) {
    if (nothing.has((error as { code?: string }).code ?? '')) return [];
    throw error;
  }
}
