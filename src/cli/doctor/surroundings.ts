import { dirname, join } from 'node:path';
import type { Disk } from '../../kernel/ports.ts';
import { dataDirectoryHere } from '../directories.ts';
import { valueOrDefault } from '../parse-args.ts';
import { findRuns } from '../run-registry.ts';
import type { Check, Finding } from './check.ts';

/** File systems over a network lose or delay what a journal needs to be sure of. */
const networkFileSystems = [
  'nfs',
  'nfs4',
  'cifs',
  'smb',
  'smb2',
  'smb3',
  'smbfs',
  'fuse.sshfs',
  '9p',
  'afs',
  'ceph',
  'glusterfs',
  'fuse.glusterfs',
];
const freeBytesWanted = 100 * 1024 * 1024;

/** The usual ports. A taken one is a warning: `proa run` takes the next, `proa sidecar` would fail. */
export const checkPorts: Check = async ({ ports, args }) => {
  const wanted = [
    ['HTTP API', 'dapr-http-port'],
    ['gRPC API', 'dapr-grpc-port'],
    ['metrics', 'metrics-port'],
  ] as const;
  const runs = await findRuns(ports);
  return Promise.all(
    wanted.map(async ([name, flag]): Promise<Finding> => {
      const port = valueOrDefault(args.values, flag) as number;
      const base = { group: 'Ports', name: `${name} ${port}` } as const;
      try {
        const listener = await ports.network.listen({ host: '127.0.0.1', port }, (connection) => connection.destroy());
        await listener.close();
        return { ...base, status: 'ok', detail: 'free' };
      } catch (thrown) {
        const owner = runs.flatMap(({ record }) => record.apps).find((app) => [app.httpPort, app.grpcPort, app.metricsPort].includes(port));
        if (owner !== undefined) return { ...base, status: 'ok', detail: `serves "${owner.id}"` };
        const code = (thrown as { code?: string }).code ?? 'unknown';
        const detail = code === 'EADDRINUSE' ? 'taken by another program' : `cannot be opened (${code})`;
        return { ...base, status: 'warning', detail, fix: `choose another one with --${flag}, or end the other program` };
      }
    }),
  );
};

/** The directory itself, or the nearest one above it that exists: a check makes no directories. */
async function nearestExisting(disk: Disk, directory: string): Promise<string> {
  for (let at = directory; at !== dirname(at); at = dirname(at)) {
    const stat = await disk.stat(at).catch(() => undefined);
    if (stat?.kind === 'directory') return at;
  }
  return '/';
}

/** Where data will lie: writable, local, with room. */
export const checkData: Check = async ({ ports, args }) => {
  const { disk } = ports;
  const directory = await dataDirectoryHere(ports, args.values['data-dir']);
  const place = await nearestExisting(disk, directory);
  const probe = join(place, `.proa-doctor-${ports.process.pid}`);
  const base = { group: 'Data', name: 'directory' } as const;
  try {
    await disk.replaceFile(probe, new Uint8Array(16), 0o600);
    await disk.remove(probe);
    return [{ ...base, status: 'ok', detail: directory }, ...spaceFindings(await disk.space(place))];
  } catch (thrown) {
    const reason = (thrown as { code?: string }).code ?? String(thrown);
    if (reason === 'ENOSPC' || reason === 'EDQUOT')
      return spaceFindings({ freeBytes: 0, fileSystem: (await disk.space(place)).fileSystem });
    return [
      {
        ...base,
        status: 'failed',
        detail: `${directory}: ${reason}`,
        fix: `make ${place} writable, or choose another place with --data-dir`,
      },
    ];
  }
};

function spaceFindings({ freeBytes, fileSystem }: { freeBytes: number; fileSystem: string }): Finding[] {
  const isNetwork = networkFileSystems.includes(fileSystem.toLowerCase());
  const short = freeBytes < freeBytesWanted;
  return [
    {
      group: 'Data',
      name: 'file system',
      status: isNetwork ? 'failed' : 'ok',
      detail: fileSystem,
      ...(isNetwork && { fix: 'network file systems are refused: choose a local directory with --data-dir' }),
    },
    {
      group: 'Data',
      name: 'free space',
      status: short ? 'failed' : 'ok',
      detail: `${Math.round(freeBytes / 1024 / 1024)} MiB`,
      ...(short && { fix: 'free some space, or choose another directory with --data-dir' }),
    },
  ];
}

export const checkRuns: Check = async ({ ports }) => {
  const runs = await findRuns(ports);
  const left = runs.flatMap(({ leftovers }) => leftovers);
  if (left.length > 0) {
    const names = left.map(({ id, process }) => `${id} (pid ${process?.pid ?? '?'})`).join(', ');
    return [{ group: 'Runs', name: 'left behind', status: 'failed', detail: names, fix: 'proa stop --all' }];
  }
  return [{ group: 'Runs', name: 'left behind', status: 'ok', detail: `none; ${runs.length} running` }];
};
