// What is bundled ships with the licence it came under: one text file per bundle, made from what esbuild says it read.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The packages whose files went into an output: those files by the package's folder. */
function bundledPackages({ outputs }) {
  const packages = new Map();
  for (const path of new Set(Object.values(outputs).flatMap((output) => Object.keys(output.inputs)))) {
    const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0];
    if (folder !== undefined) packages.set(folder, [...(packages.get(folder) ?? []), path]);
  }
  return packages;
}

/** What the files themselves say: the comment at their start, when it names a copyright. */
function headersOf(root, files) {
  const headers = files.map((file) => /^(?:\/\/[^\n]*\n)+/.exec(readFileSync(join(root, file), 'utf8'))?.[0] ?? '');
  const telling = headers.filter((header) => header.includes('Copyright')).map((header) => header.replaceAll(/^\/\/ ?/gm, '').trim());
  return [...new Set(telling)];
}

function licenseOf(root, folder, files) {
  const { name, version, license, author } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e(\.|$)/i.test(entry));
  const by = typeof author === 'string' ? author : author?.name;
  // Some packages name their licence and bring no text, or only at the start of their files.
  const told = [`${license}${by === undefined ? '' : `, by ${by}`}`, ...headersOf(root, files)].join('\n\n');
  const text = file === undefined ? told : readFileSync(join(root, folder, file), 'utf8').trim();
  if (!license && file === undefined) throw new Error(`${folder} says nothing of its licence and cannot be bundled`);
  return { title: `${name} ${version} (${license ?? 'see below'})`, text: text.replaceAll('\r\n', '\n') };
}

/** Whose it is; without this line most licences are the same text. */
const copyright = /^\s*(?:copyright\s+(?:\(c\)|©|\d{4})|\(c\)\s|©).*$/gim;

/** The notices of all packages in a bundle; packages with the same text share it, each with its own copyright. `metafile` has paths relative to `root`. */
export function licenseNotices(root, metafile) {
  const texts = new Map();
  const packages = [...bundledPackages(metafile)].toSorted(([one], [other]) => (one < other ? -1 : 1));
  for (const [folder, files] of packages) {
    const { title, text } = licenseOf(root, folder, files);
    const terms = text
      .replaceAll(copyright, '')
      .replaceAll(/\n{3,}/g, '\n\n')
      .trim();
    const key = terms.replaceAll(/\s+/g, ' ');
    const known = texts.get(key) ?? { terms, named: [] };
    texts.set(key, known);
    known.named.push([title, ...(text.match(copyright) ?? []).map((line) => `  ${line.trim()}`)].join('\n'));
  }
  const parts = [...texts.values()].map(({ terms, named }) => `${[...new Set(named)].join('\n')}\n\n${terms}\n`);
  return parts.join(`\n${'-'.repeat(80)}\n\n`);
}
