// src/gen/**/*_pb.ts: Dapr's messages as npm `@dapr/dapr` ships them, with what newer releases added, and our own proto/ folder.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mergeProto, stripComments } from './merge-proto.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const staging = join(root, '.cache/gen/proto');
const output = join(root, 'src/gen');
const shipped = join(root, 'node_modules/@dapr/dapr/proto');
// The packages that the runtime speaks; operator, placement, scheduler and sentry are Dapr's control plane.
const packages = ['dapr/proto/common/v1', 'dapr/proto/internals/v1', 'dapr/proto/runtime/v1'];
// The stored form of Dapr's scheduler; it needs the scheduler's protocol.
const unused = new Set(['dapr/proto/internals/v1/jobs.proto']);

export async function generateProtobuf() {
  rmSync(staging, { recursive: true, force: true });
  stage();
  rmSync(output, { recursive: true, force: true });
  runBuf();
  for (const file of filesBelow(output, '.ts')) writeFileSync(file, eraseEnums(readFileSync(file, 'utf8')));
}

// Comments go, so that the sources of src/gen hold nothing but what the wire needs.
function stage() {
  cpSync(join(root, 'proto'), staging, { recursive: true, filter: (path) => !path.endsWith('.md') && path !== join(root, 'proto/newer') });
  for (const folder of packages) {
    for (const file of filesBelow(join(shipped, folder), '.proto')) {
      const path = relative(shipped, file);
      if (unused.has(path)) continue;
      const newer = join(root, 'proto/newer', path);
      const base = stripComments(readFileSync(file, 'utf8'));
      const target = join(staging, path);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, existsSync(newer) ? mergeProto(base, stripComments(readFileSync(newer, 'utf8'))) : base);
    }
  }
}

function runBuf() {
  const template = {
    version: 'v2',
    plugins: [
      {
        local: [process.execPath, join(root, 'node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es')],
        out: output,
        opt: ['target=ts', 'import_extension=ts'],
      },
    ],
  };
  const buf = join(root, 'node_modules/@bufbuild/buf/bin/buf');
  execFileSync(process.execPath, [buf, 'generate', staging, '--template', JSON.stringify(template)], {
    cwd: root,
    env: { ...process.env, BUF_CACHE_DIR: join(root, '.cache/gen/buf') },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

// TypeScript enums are not erasable syntax; an object and the union of its values serve the same callers.
function eraseEnums(text) {
  return text.replace(/^export enum (\w+) \{\n([\s\S]*?)^\}$/gm, (_, name, body) => {
    const members = [...body.matchAll(/^\s*(\w+) = (-?\d+),$/gm)].map((match) => `  ${match[1]}: ${match[2]},\n`).join('');
    return `export const ${name} = {\n${members}} as const;\nexport type ${name} = (typeof ${name})[keyof typeof ${name}];`;
  });
}

function filesBelow(folder, extension) {
  return readdirSync(folder, { recursive: true })
    .filter((path) => path.endsWith(extension))
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((path) => join(folder, path));
}
