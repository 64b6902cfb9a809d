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
  writeFileSync(join(outdir, 'licenses.txt'), licenseNotices(root, metafile));
  cpSync(join(source, 'resources'), join(outdir, 'resources'), { recursive: true });
  cpSync(join(source, 'proa.yaml'), join(outdir, 'proa.yaml'));
}
