// Bundles each app with its SDK into one file, so that the demo runs from the package alone, without installing anything.
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build as bundle } from 'esbuild';

export async function build({ root, outdir }) {
  const source = join(root, 'examples/food-delivery');
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  await bundle({
    absWorkingDir: root,
    entryPoints: readdirSync(join(source, 'apps')).map((file) => join(source, 'apps', file)),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    minify: true,
    alias: { 'iconv-lite': join(source, 'lean/iconv-lite.cjs'), 'whatwg-url': join(source, 'lean/whatwg-url.cjs') },
    outdir,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'shared-[hash]',
    // The SDK and what it uses are CommonJS and ask for Node's modules by `require`.
    banner: {
      js: "import { createRequire as __cr } from 'node:module'; import { fileURLToPath as __fu } from 'node:url'; const require = __cr(import.meta.url); const __filename = __fu(import.meta.url); const __dirname = __fu(new URL('.', import.meta.url));",
    },
    logLevel: 'error',
  });
  cpSync(join(source, 'resources'), join(outdir, 'resources'), { recursive: true });
  cpSync(join(source, 'proa.yaml'), join(outdir, 'proa.yaml'));
}
