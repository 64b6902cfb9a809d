import { ProaError } from '../../kernel/errors.ts';
import { nodeCrypto } from '../../kernel/node-crypto.ts';
import type { Address, Ports } from '../../kernel/ports.ts';

/** Where the clients of a directory find its owner: per epoch a file that names the socket. */
export interface MeetingPlace {
  /** Makes room for a socket of this epoch and says where to listen. Nobody else ever uses that path. */
  place(epoch: number): Promise<Address>;
  publish(epoch: number, address: Address): Promise<void>;
  /** Undefined when the owner of that epoch has not published yet; `left` when it has gone in order, so that nobody waits for it. */
  find(epoch: number): Promise<Address | 'left' | undefined>;
  /** True when an owner of an older epoch has not gone in order and its process still exists: it may not know yet that it was replaced. */
  olderLives(epoch: number): Promise<boolean>;
  /** Says in the own notice that clients keep what they read: whoever takes over after a crash has to wait until they ask again. */
  granting(epoch: number): Promise<void>;
  /** True when an owner of an older epoch said so and has not gone in order. */
  olderGranted(epoch: number): Promise<boolean>;
  /** Removes the notices of older epochs: whoever comes next need not think of those owners. */
  forgetOlder(epoch: number): Promise<void>;
  /** Says in the own notice that the owner has left; the socket's file goes with its listener. */
  retract(epoch: number): Promise<void>;
}

/** What fits into `sun_path` of every system that Node runs on, the closing zero included. */
const socketPathBytesMax = 104;
const networkFileSystems = /^(nfs|cifs|smb|afs|ncp|coda|ceph|gluster|lustre|gpfs|ocfs|fuse\.sshfs|fuse\.gluster|fuse\.s3|fuse\.ceph)/;

/** As JSON, written by whoever owned that epoch; nothing of it is certain. */
interface Notice {
  readonly path?: unknown;
  readonly pid?: unknown;
  readonly left?: unknown;
  readonly granting?: unknown;
}

type MeetingPorts = Pick<Ports, 'disk' | 'process' | 'random'>;

/**
 * The meeting place below `directory`, which is made when missing (0700). Fails with `config.invalid` on a network file system (its
 * locks and syncs cannot be trusted) and with `component.init-failed` when the directory cannot be written.
 */
export async function openMeetingPlace(ports: MeetingPorts, directory: string): Promise<MeetingPlace> {
  const { disk, process } = ports;
  const notices = `${directory}/owners`;
  try {
    await disk.makeDirectory(directory, 0o700);
    await disk.makeDirectory(notices, 0o700);
  } catch (error) {
    throw notWritable(directory, error);
  }
  const { fileSystem } = await disk.space(directory);
  if (networkFileSystems.test(fileSystem)) {
    throw new ProaError('config.invalid', `the data directory ${directory} lies on a network file system (${fileSystem})`, {
      hint: 'choose a directory on a local disk, or use the PostgreSQL engine to share state between machines',
    });
  }
  const real = await disk.realPath(directory);
  const noticeOf = (epoch: number): string => `${notices}/owner-${epoch}.json`;
  const noticeIn = async (path: string): Promise<Notice | undefined> => {
    try {
      return JSON.parse(Buffer.from(await disk.readFile(path)).toString()) as Notice;
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
      throw notWritable(directory, error);
    }
  };
  return {
    place: (epoch) => socketPlace(ports, real, epoch),
    async publish(epoch, address) {
      if (!('path' in address)) throw new TypeError('an owner listens on a Unix socket');
      const notice = JSON.stringify({ path: address.path, pid: process.pid });
      try {
        await disk.replaceFile(noticeOf(epoch), Buffer.from(notice), 0o600);
      } catch (error) {
        throw notWritable(directory, error);
      }
    },
    async find(epoch) {
      const notice = await noticeIn(noticeOf(epoch));
      if (notice?.left === true) return 'left';
      return typeof notice?.path === 'string' ? { path: notice.path } : undefined;
    },
    async olderLives(epoch) {
      for (const older of await olderThan(disk, notices, epoch)) {
        const pid = (await noticeIn(noticeOf(older)))?.pid;
        if (typeof pid === 'number' && process.alive(pid)) return true;
      }
      return false;
    },
    async granting(epoch) {
      const notice = JSON.stringify({ ...(await noticeIn(noticeOf(epoch))), granting: true });
      await disk.replaceFile(noticeOf(epoch), Buffer.from(notice), 0o600);
    },
    async olderGranted(epoch) {
      for (const older of await olderThan(disk, notices, epoch)) if ((await noticeIn(noticeOf(older)))?.granting === true) return true;
      return false;
    },
    async forgetOlder(epoch) {
      // Sockets stay: only who made one removes it.
      for (const older of await olderThan(disk, notices, epoch)) await disk.remove(noticeOf(older)).catch(() => {});
    },
    async retract(epoch) {
      await disk.replaceFile(noticeOf(epoch), Buffer.from('{"left":true}'), 0o600).catch(() => {});
    },
  };
}

async function olderThan(disk: MeetingPorts['disk'], notices: string, epoch: number): Promise<number[]> {
  const epochs = (await disk.list(notices)).flatMap((name) => /^owner-(\d+)\.json$/.exec(name)?.[1] ?? []);
  return epochs.map(Number).filter((older) => older < epoch);
}

/**
 * Beside the notices when the path is short enough, else in a directory of its own below the temporary one. Its name ends in
 * random bytes, so that nobody can prepare it beforehand; clients learn it from the notice.
 */
async function socketPlace(ports: MeetingPorts, real: string, epoch: number): Promise<Address> {
  const near = `${real}/owners/${epoch}.sock`;
  if (Buffer.byteLength(near) < socketPathBytesMax) return { path: near };
  const hash = nodeCrypto().createHash('sha256').update(real).digest('hex').slice(0, 12);
  const temporary = ports.process.temporaryDirectory();
  const directory = `${temporary}/proa-${hash}-${Buffer.from(ports.random.bytes(6)).toString('hex')}`;
  const far = `${directory}/${epoch}.sock`;
  if (Buffer.byteLength(far) >= socketPathBytesMax) {
    throw new ProaError(
      'config.invalid',
      `no socket fits below ${real} or ${temporary}: a path has at most ${socketPathBytesMax - 1} bytes`,
      {
        hint: 'choose a data directory with a shorter path, or set TMPDIR to one',
      },
    );
  }
  try {
    await ports.disk.makeDirectory(directory, 0o700);
  } catch (error) {
    throw notWritable(temporary, error);
  }
  return { path: far };
}

function notWritable(directory: string, cause: unknown): ProaError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ProaError('component.init-failed', `the data directory ${directory} cannot be used: ${why}`, {
    cause,
    hint: isNoDirectory(cause)
      ? 'it is no directory: choose another one'
      : `give the user of this process the right to write ${directory}, or choose another directory`,
  });
}

function isNoDirectory(cause: unknown): boolean {
  return ['EEXIST', 'ENOTDIR'].includes((cause as { code?: string } | undefined)?.code ?? '');
}
