import { startProgram, type ServerProcess } from './server-process.ts';

/** An etcd server of one test file, alone in its cluster; `tls`: it listens on that port, too, with that certificate. */
export function startEtcd(
  command: string,
  tls?: { readonly port: number; readonly certFile: string; readonly keyFile: string },
): Promise<ServerProcess> {
  const secure = tls === undefined ? '' : `,https://127.0.0.1:${tls.port}`;
  const url = (port: number): string => `http://127.0.0.1:${port}`;
  return startProgram({
    command,
    args: ({ directory, port, otherPort }) => [
      ...['--data-dir', `${directory}/data`],
      ...['--listen-client-urls', url(port) + secure],
      ...(tls === undefined ? [] : ['--cert-file', tls.certFile, '--key-file', tls.keyFile]),
      ...['--advertise-client-urls', url(port)],
      ...['--listen-peer-urls', url(otherPort)],
      ...['--initial-advertise-peer-urls', url(otherPort)],
      ...['--initial-cluster', `default=${url(otherPort)}`],
      ...['--heartbeat-interval', '20'],
      ...['--election-timeout', '100'],
    ],
    ready: async (port) => (await fetch(`${url(port)}/health`)).ok,
  });
}

/** One call of etcd's gateway. */
export async function askEtcd(port: number, path: string, message: object): Promise<Readonly<Record<string, unknown>>> {
  const answer = await fetch(`http://127.0.0.1:${port}/v3/${path}`, { method: 'POST', body: JSON.stringify(message) });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as Readonly<Record<string, unknown>>;
}

/** Lets the time of all leases pass, which the server itself has no means for: those that would have ended are revoked. The answer is called with milliseconds. */
export function ageEtcd(port: number): (ms: number) => Promise<void> {
  let passedMs = 0;
  return async (ms) => {
    passedMs += ms;
    const { leases = [] } = (await askEtcd(port, 'lease/leases', {})) as { leases?: readonly { readonly ID: string }[] };
    for (const { ID } of leases) {
      const { grantedTTL } = (await askEtcd(port, 'lease/timetolive', { ID })) as { grantedTTL?: string };
      if (!(Number(grantedTTL) * 1_000 <= passedMs)) continue;
      // It may end by itself just now.
      await askEtcd(port, 'lease/revoke', { ID }).catch((error: Error) => {
        if (!error.message.includes('lease not found')) throw error;
      });
    }
  };
}
