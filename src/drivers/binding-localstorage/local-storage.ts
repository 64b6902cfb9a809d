import { posix } from 'node:path';
import type { InferOutput } from 'valibot';
import { ProaError } from '../../kernel/errors.ts';
import type { Disk } from '../../kernel/ports.ts';
import type { BindingRequest, BindingResponse } from '../../contracts/binding.ts';
import type { DriverContext, DriverKinds } from '../../contracts/driver.ts';
import type { config } from './config.ts';
import { isInside, openRoot, type Root } from './root.ts';

const fileBytesMax = 100 * 1024 * 1024;
const listedMax = 100_000;
const depthMax = 64;

type Action = (request: BindingRequest, fileName: string) => Promise<BindingResponse>;

/** Files below one directory: create, get, delete, list. Files are replaced whole or not at all, with mode 0600. */
export async function openLocalStorage(options: InferOutput<typeof config>, context: DriverContext): Promise<DriverKinds['bindings']> {
  const { disk, process, random } = context.ports;
  let root: Root;
  try {
    root = await openRoot(disk, options.rootPath, process.cwd());
  } catch (cause) {
    throw new ProaError('component.init-failed', `binding ${context.name}: ${(cause as Error).message}`, { cause });
  }
  const actions: Readonly<Record<string, Action>> = {
    create: (request, fileName) => create(disk, root, { fileName: fileName === '' ? random.uuid() : fileName, data: request.data }),
    get: (_request, fileName) => get(disk, root, fileName),
    list: (_request, fileName) => list(disk, root, fileName),
    delete: (_request, fileName) => remove(disk, root, fileName),
  };
  return {
    output: {
      operations: Object.keys(actions),
      invoke(request) {
        const action = Object.hasOwn(actions, request.operation) ? actions[request.operation] : undefined;
        if (action === undefined) return Promise.reject(new Error(`unsupported operation ${request.operation}`));
        return action(request, request.metadata['fileName'] ?? '');
      },
    },
    close: async () => {},
  };
}

async function create(disk: Disk, root: Root, file: { readonly fileName: string; readonly data: Uint8Array }): Promise<BindingResponse> {
  const { absolute, relative } = await root.resolve(file.fileName);
  if (relative === '' || file.fileName.endsWith('/')) throw new Error(`${JSON.stringify(file.fileName)} names a directory`);
  await disk.makeDirectory(posix.dirname(absolute), 0o700);
  await disk.replaceFile(absolute, plain(file.data), 0o600);
  return { data: Buffer.from(JSON.stringify({ fileName: relative })), contentType: 'application/json' };
}

async function get(disk: Disk, root: Root, fileName: string): Promise<BindingResponse> {
  const { absolute } = await root.resolve(fileName);
  const stat = await disk.stat(absolute);
  if (stat === undefined) throw new Error(`file not found: ${absolute}`);
  if (stat.kind !== 'file') throw new Error(`error reading file ${absolute}: it is not a file`);
  if (stat.sizeBytes > fileBytesMax) throw new Error(`error reading file ${absolute}: it is larger than ${fileBytesMax} bytes`);
  return { data: await disk.readFile(absolute) };
}

async function remove(disk: Disk, root: Root, fileName: string): Promise<BindingResponse> {
  const { absolute, relative } = await root.resolve(fileName);
  const stat = await disk.stat(absolute);
  if (stat === undefined || relative === '')
    throw new Error(`error deleting file ${absolute}: ${stat === undefined ? 'no such file' : 'it is the root path'}`);
  await disk.remove(absolute);
  return {};
}

async function list(disk: Disk, root: Root, fileName: string): Promise<BindingResponse> {
  const { absolute } = await root.resolve(fileName);
  const stat = await disk.stat(absolute);
  if (stat === undefined) throw new Error(`error getting stats for path ${absolute}: no such directory`);
  if (stat.kind !== 'directory') throw new Error(`unable to list files as the file specified is not a directory: ${absolute}`);
  const files: string[] = [];
  await walk(absolute, 0);
  return { data: Buffer.from(JSON.stringify(files)), contentType: 'application/json' };

  async function walk(directory: string, depth: number): Promise<void> {
    if (depth > depthMax) throw new Error(`error listing files: directories are nested deeper than ${depthMax}`);
    for (const name of (await disk.list(directory)).toSorted()) {
      const path = posix.join(directory, name);
      const inner = await disk.stat(path);
      const real = inner === undefined ? undefined : await disk.realPath(path).catch(() => undefined);
      // What a link brings in from outside, and what vanished meanwhile, is not listed; neither are links to directories, which could be cycles.
      if (inner === undefined || real === undefined || !isInside(root.path, real)) continue;
      if (inner.kind !== 'directory') files.push(path);
      else if (real === path) await walk(path, depth + 1);
      if (files.length > listedMax) throw new Error(`error listing files: there are more than ${listedMax}`);
    }
  }
}

/** What the bytes stand for, by Dapr's rules: a JSON text is taken out of its quotes, and base64 is decoded. */
function plain(data: Uint8Array): Uint8Array {
  const bytes = unquoted(data);
  // The check costs a pass over the data; a shorter one would take text for base64.
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString('latin1')
    .replace(/[\r\n]/g, '');
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return bytes;
  return Buffer.from(text, 'base64');
}

function unquoted(data: Uint8Array): Uint8Array {
  if (data.length < 2 || data[0] !== 0x22 || data.at(-1) !== 0x22) return data;
  try {
    const value: unknown = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString('utf8'));
    return typeof value === 'string' ? Buffer.from(value) : data;
  } catch {
    return data;
  }
}
