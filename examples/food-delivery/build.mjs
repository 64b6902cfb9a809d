// Bundles each app with its SDK into one file, so that the demo runs from the package alone, without installing anything.
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build as bundle } from 'esbuild';
import { licenseNotices } from '../../tools/build/licenses.mjs';

// The SDK's index loads its workflow client in any case: a quarter of the bundle.
const withoutWorkflow = (source) => ({
  name: 'without-workflow',
  setup({ onResolve }) {
    const absent = { path: join(source, 'lean/absent.cjs') };
    onResolve({ filter: /^\.\/workflow\// }, ({ importer }) => (importer.includes('@dapr/dapr') ? absent : undefined));
    onResolve({ filter: /^@js-temporal\/polyfill$/ }, () => absent);
  },
});

// These apps run beside a sidecar: the runtime that the SDK could put into their process stays out of the bundle.
const besideSidecar = {
  name: 'beside-sidecar',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\/host\/in-process\.ts$/ }, () => ({ path: 'in-process', namespace: 'absent' }));
    onLoad({ filter: /.*/, namespace: 'absent' }, () => ({
      contents: "throw new Error('this app needs a sidecar: start it with `proa run`')",
    }));
  },
};

export async function build({ root, outdir }) {
  const source = join(root, 'examples/food-delivery');
  const lean = (name) => join(source, 'lean', `${name}.cjs`);
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  const { metafile } = await bundle({
    metafile: true,
    absWorkingDir: root,
    entryPoints: readdirSync(join(source, 'apps')).map((file) => join(source, 'apps', file)),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    minify: true,
    alias: { 'iconv-lite': lean('iconv-lite'), 'whatwg-url': lean('whatwg-url'), 'mime-db': lean('mime-db') },
    plugins: [withoutWorkflow(source)],
    outdir,
    outExtension: { '.js': '.mjs' },
    chunkNames: 'shared-[hash]',
    // The SDK and what it uses are CommonJS and ask for Node's modules by `require`.
    banner: {
      js: "import { createRequire as __cr } from 'node:module'; import { fileURLToPath as __fu } from 'node:url'; const require = __cr(import.meta.url); const __filename = __fu(import.meta.url); const __dirname = __fu(new URL('.', import.meta.url));",
    },
    logLevel: 'error',
  });
  const led = await bundle({
    metafile: true,
    absWorkingDir: root,
    entryPoints: readdirSync(join(source, 'orchestrated')).map((file) => join(source, 'orchestrated', file)),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    minify: true,
    plugins: [besideSidecar],
    outdir: join(outdir, 'orchestrated'),
    outExtension: { '.js': '.mjs' },
    chunkNames: 'shared-[hash]',
    logLevel: 'error',
  });
  writeFileSync(join(outdir, 'licenses.txt'), licenseNotices(root, { outputs: { ...metafile.outputs, ...led.metafile.outputs } }));
  cpSync(join(source, 'resources'), join(outdir, 'resources'), { recursive: true });
  for (const file of ['proa.yaml', 'orchestrated.yaml']) cpSync(join(source, file), join(outdir, file));
}
