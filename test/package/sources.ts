import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the package. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Source {
  /** Below the package's folder. */
  readonly path: string;
  readonly text: string;
}

/** Files below some folders, generated code left out. */
export function sourcesIn(folders: readonly string[], wanted: (name: string) => boolean): Source[] {
  const found: Source[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && entry.name !== 'gen') visit(path);
      else if (entry.isFile() && wanted(entry.name)) found.push({ path: relative(root, path), text: readFileSync(path, 'utf8') });
    }
  };
  for (const folder of folders) visit(join(root, folder));
  return found;
}
