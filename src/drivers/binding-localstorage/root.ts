import { posix } from 'node:path';
import type { Disk } from '../../kernel/ports.ts';

// A program's or the machine's own affairs; /var/run is a link to /run on most systems.
const forbidden = ['/proc', '/sys', '/boot', '/var/run/secrets', '/run/secrets'];

/** A directory with its symbolic links resolved; every path handed out lies inside it. */
export interface Root {
  readonly path: string;
  /**
   * The absolute path of a file name. Fails for `..` that leaves the root, and when a symbolic link leads out of it. The check and the use are two steps:
   * whoever can write into the root at the same time can win a race, and needs no binding to do harm there.
   */
  resolve(fileName: string): Promise<{ readonly absolute: string; readonly relative: string }>;
}

/** Makes the directory and checks that it is neither a file nor in a place where no data belongs. */
export async function openRoot(disk: Disk, rootPath: string, cwd: string): Promise<Root> {
  const wanted = posix.resolve(cwd, rootPath);
  refuseForbidden(wanted);
  const existing = await deepestExisting(disk, wanted);
  const real = posix.join(await disk.realPath(existing), wanted.slice(existing.length));
  refuseForbidden(real);
  const stat = await disk.stat(existing);
  if (stat?.kind !== 'directory') throw new Error('property rootPath represents a file and not a directory');
  await disk.makeDirectory(real, 0o700);
  const path = await disk.realPath(real);
  return {
    path,
    async resolve(fileName) {
      if (fileName.includes('\0')) throw new Error('the file name holds a NUL character');
      const absolute = posix.join(path, fileName);
      if (!isInside(path, absolute)) throw new Error(`the file name ${JSON.stringify(fileName)} leads out of the root path`);
      const target = await disk.realPath(await deepestExisting(disk, absolute));
      if (!isInside(path, target))
        throw new Error(`the file name ${JSON.stringify(fileName)} leads out of the root path by a symbolic link`);
      return { absolute, relative: posix.relative(path, absolute) };
    },
  };
}

/** True for the root itself and everything below it. */
export function isInside(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith('/') ? root : `${root}/`);
}

function refuseForbidden(path: string): void {
  if (forbidden.some((place) => isInside(place, path))) throw new Error('property rootPath points to a disallowed location');
}

async function deepestExisting(disk: Disk, path: string): Promise<string> {
  for (let at = path; at !== '/'; at = posix.dirname(at)) if (await exists(disk, at)) return at;
  return '/';
}

// A dangling link has no stat but must not pass as missing: writing through it would make its target.
async function exists(disk: Disk, path: string): Promise<boolean> {
  if ((await disk.stat(path)) !== undefined) return true;
  const parent: string[] = await disk.list(posix.dirname(path)).catch(() => []);
  if (!parent.includes(posix.basename(path))) return false;
  throw new Error(`${posix.basename(path)} is a symbolic link to nothing`);
}
