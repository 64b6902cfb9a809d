import type { Address } from '../../kernel/ports.ts';

// A worker's runtimes are named as those of the first process, followed by this and the name of the worker's own socket.
const mark = '~';
const socketName = /^\d{1,10}-[0-9a-z]{1,8}$/;

/** How a worker names its runtime, so that whoever hears of it knows its socket. `announced`: the name under which the app's runtime is known to others. */
export function workerInstance(announced: string, own: Address): string {
  const path = 'path' in own ? own.path : '';
  return `${announced}${mark}${path.slice(path.lastIndexOf('/') + 1).replace(/\.mux$/, '')}`;
}

export interface SiblingsOptions {
  /** The socket that only this process accepts on. */
  readonly own: Address;
  /** That of the first process; undefined in the first process. */
  readonly first: Address | undefined;
  /** The app's runtime is hosted here, and so in all processes of this host. */
  readonly hosts: (announced: string) => boolean;
}

/** Finds the process beside this one that has the runtime of that name; undefined when it is this one, or none of them. What it is asked comes from peers. */
export function siblingSocket({ own, first, hosts }: SiblingsOptions, instance: string): Address | undefined {
  const at = instance.indexOf(mark);
  if (!hosts(at < 0 ? instance : instance.slice(0, at))) return undefined;
  if (at < 0) return first;
  const name = instance.slice(at + 1);
  if (!socketName.test(name) || !('path' in own)) return undefined;
  const path = `${own.path.slice(0, own.path.lastIndexOf('/') + 1)}${name}.mux`;
  return path === own.path ? undefined : { path };
}
