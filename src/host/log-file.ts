import type { Ports } from '../kernel/ports.ts';

/** Appends lines to a file one after another. Failures are dropped: a log that cannot be written must not stop what it tells about. */
export function appendTo(ports: Ports, path: string): (line: string) => void {
  let position: Promise<number> = ports.disk.stat(path).then((stat) => stat?.sizeBytes ?? 0);
  const file = ports.disk.open(path, 'write');
  file.catch(() => {});
  return (line) => {
    const bytes = Buffer.from(line, 'utf8');
    position = position.then(async (at) => {
      await (await file).write([bytes], at);
      return at + bytes.length;
    });
    position.catch(() => {});
  };
}
