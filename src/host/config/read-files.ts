import type { Disk } from '../../kernel/ports.ts';
import type { Problem } from './problem.ts';
import type { Source } from './source.ts';
import { parseYaml, yamlLimits, type YamlNode } from './yaml.ts';

/** How many files one folder may hold. */
const filesMax = 2000;

function describe(thrown: unknown): string {
  const code = (thrown as { code?: string }).code;
  if (code === 'ENOENT') return 'does not exist';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read';
  if (code === 'ENOTDIR') return 'is not a folder';
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function unreadable(problems: Problem[], message: string): undefined {
  problems.push({ severity: 'error', code: 'config.file', message });
  return undefined;
}

/** One file as text; undefined when it cannot be read or is too large, which is reported. */
export async function readSource(disk: Disk, file: string, problems: Problem[]): Promise<Source | undefined> {
  try {
    const stat = await disk.stat(file);
    if (stat === undefined) return unreadable(problems, `${file} does not exist`);
    if (stat.kind !== 'file') return unreadable(problems, `${file} is not a file`);
    if (stat.sizeBytes > yamlLimits.fileBytesMax) return unreadable(problems, `${file} is larger than 1 MiB`);
    const bytes = await disk.readFile(file);
    return { file, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (thrown) {
    const message = thrown instanceof TypeError ? 'is not valid UTF-8' : describe(thrown);
    return unreadable(problems, `${file} ${message}`);
  }
}

/** The documents of one file. */
export async function readDocuments(disk: Disk, file: string, problems: Problem[]): Promise<YamlNode[]> {
  const source = await readSource(disk, file, problems);
  return source === undefined ? [] : parseYaml(source, problems);
}

/** Every document of the .yaml and .yml files that lie directly in a folder, in order of file names. A path to one file is read too. */
export async function readFolder(disk: Disk, folder: string, problems: Problem[]): Promise<YamlNode[]> {
  const stat = await disk.stat(folder).catch(() => undefined);
  if (stat?.kind === 'file') return readDocuments(disk, folder, problems);
  let names: string[];
  try {
    if (stat === undefined) throw Object.assign(new Error('missing'), { code: 'ENOENT' });
    names = (await disk.list(folder)).filter((name) => /\.ya?ml$/i.test(name)).toSorted();
  } catch (thrown) {
    unreadable(problems, `resources folder ${folder} ${describe(thrown)}`);
    return [];
  }
  if (names.length > filesMax) unreadable(problems, `resources folder ${folder} holds more than ${filesMax} files`);
  const documents: YamlNode[] = [];
  for (const name of names.slice(0, filesMax)) {
    const file = `${folder.replace(/\/+$/, '')}/${name}`;
    try {
      const entry = await disk.stat(file);
      if (entry?.kind === 'file') documents.push(...(await readDocuments(disk, file, problems)));
    } catch (thrown) {
      unreadable(problems, `${file} ${describe(thrown)}`);
    }
  }
  return documents;
}
