// Writes src/gen/drivers.ts: a lazy index from component type to driver. Drivers cannot be imported before there is a build, so `kind` and
// `types` are read from the source text, strictly: both must be literals. A test loads every driver and checks that index and definition agree.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const kinds = ['state', 'pubsub', 'bindings', 'secretstores', 'configuration', 'lock', 'crypto', 'middleware', 'nameresolution'];

/** `{ folder, kind, types }` of one driver's index.ts; undefined when the folder holds no component driver (an engine, a resolver). */
export function readDefinition(folder, source) {
  if (!/\bdefineDriver\s*(<[^(]*>)?\(/.test(source)) return undefined;
  const kind = /\bkind:\s*'([a-z]+)'/.exec(source)?.[1];
  const list = /\btypes:\s*\[([^\]]*)\]/.exec(source)?.[1];
  const items = list
    ?.split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  const types = items?.map((item) => /^'([a-z][a-z0-9.-]*)'$/.exec(item)?.[1]);
  if (kind === undefined || !kinds.includes(kind))
    throw new Error(`drivers/${folder}/index.ts: \`kind\` must be one of ${kinds.join(', ')}, as a literal`);
  if (types === undefined || types.length === 0 || types.includes(undefined))
    throw new Error(`drivers/${folder}/index.ts: \`types\` must be a list of literals such as ['state.in-memory']`);
  const stray = types.find((type) => !type.startsWith(`${kind}.`));
  if (stray !== undefined) throw new Error(`drivers/${folder}/index.ts: type ${stray} does not begin with its kind ${kind}`);
  return { folder, kind, types };
}

/** The text of the index. Fails when two drivers claim one type. */
export function renderIndex(definitions) {
  const owners = new Map();
  for (const { folder, kind, types } of definitions)
    for (const type of types) {
      const other = owners.get(type);
      if (other !== undefined) throw new Error(`component type ${type} is claimed by drivers/${other.folder} and drivers/${folder}`);
      owners.set(type, { folder, kind });
    }
  const rows = [...owners]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([type, { folder, kind }]) =>
        `  '${type}': { kind: '${kind}', folder: '${folder}', load: async () => (await import('../drivers/${folder}/index.ts')).default },`,
    );
  return [
    '// Made by tools/gen/drivers.mjs from src/drivers/*/index.ts; do not edit.',
    "import type { DriverDefinition, DriverKind } from '../contracts/driver.ts';",
    '',
    '/** Where a component type comes from; `load` imports the driver. */',
    'export interface DriverEntry {',
    '  readonly kind: DriverKind;',
    '  readonly folder: string;',
    '  load(): Promise<DriverDefinition>;',
    '}',
    '',
    '/** Every component type of this build. */',
    'export const driverIndex: Readonly<Record<string, DriverEntry>> = {',
    ...rows,
    '};',
    '',
  ].join('\n');
}

/** Scans `root`/src/drivers and writes the index when it changed; answers the number of types. */
export function generateDrivers(root) {
  const directory = join(root, 'src/drivers');
  const folders = existsSync(directory) ? readdirSync(directory).toSorted() : [];
  const definitions = [];
  for (const folder of folders) {
    const file = join(directory, folder, 'index.ts');
    const definition = existsSync(file) ? readDefinition(folder, readFileSync(file, 'utf8')) : undefined;
    if (definition !== undefined) definitions.push(definition);
  }
  const text = renderIndex(definitions);
  const output = join(root, 'src/gen/drivers.ts');
  mkdirSync(join(root, 'src/gen'), { recursive: true });
  if (!existsSync(output) || readFileSync(output, 'utf8') !== text) writeFileSync(output, text);
  return definitions.reduce((sum, { types }) => sum + types.length, 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const count = generateDrivers(fileURLToPath(new URL('../..', import.meta.url)));
  console.log(`src/gen/drivers.ts: ${count} component types`);
}
