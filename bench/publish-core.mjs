// What pub/sub costs by itself: the envelope, and publish to acknowledged delivery in one process over the memory engine (no disk, no network).
// Usage: node bench/publish-core.mjs [--events 100000] [--in-flight 64]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const { values } = parseArgs({
  options: { events: { type: 'string', default: '100000' }, 'in-flight': { type: 'string', default: '64' } },
});
const directory = mkdtempSync(join(tmpdir(), 'proa-bench-'));
const outfile = join(directory, 'subject.mjs');
try {
  const entry = fileURLToPath(new URL('publish-subject.ts', import.meta.url));
  const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    banner,
    logLevel: 'error',
  });
  const { envelopeCost, throughput } = await import(pathToFileURL(outfile).href);
  console.log('envelope', envelopeCost());
  await throughput(20_000, 64);
  console.log('publish to ack', await throughput(Number(values.events), Number(values['in-flight'])));
  console.log('one publisher', await throughput(20_000, 1));
} finally {
  rmSync(directory, { recursive: true });
}
