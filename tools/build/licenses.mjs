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

// Who holds the rights, and what the licence is called: it stands with each package.
const ownLine =
  /^\W*(?:[Cc]opyright +(?:\([Cc]\)|©|\d|[A-Z][\w.]+)|\([Cc]\) |© |[Aa]ll rights reserved|(?:[Tt]he )?(?:MIT|ISC|BSD)\b[^.]{0,40}[Ll]icen[cs]e\b)/;

/** What a text says of its package alone, and the terms, which many packages share. */
function parted(text) {
  const lines = text.split('\n');
  const own = lines.filter((line) => ownLine.test(line)).map((line) => line.trim());
  const terms = lines
    .filter((line) => !ownLine.test(line))
    .join('\n')
    .trim();
  return { own, terms };
}

/** Terms are the same when their words are, wherever the lines end. */
function wordsOf(terms) {
  return terms.replaceAll(/[\s*'"“”‘’]+/g, ' ').trim();
}

/** The notices of all packages in a bundle; packages under the same terms share them, each with its own copyright. `metafile` has paths relative to `root`. */
export function licenseNotices(root, metafile) {
  const groups = new Map();
  const packages = [...bundledPackages(metafile)].toSorted(([one], [other]) => (one < other ? -1 : 1));
  for (const [folder, files] of packages) {
    const { title, text } = licenseOf(root, folder, files);
    const { own, terms } = parted(text);
    const group = groups.get(wordsOf(terms)) ?? { terms, members: new Set() };
    groups.set(wordsOf(terms), group);
    group.members.add([title, ...own.map((line) => `    ${line}`)].join('\n'));
  }
  return [...groups.values()].map(({ terms, members }) => `${[...members].join('\n')}\n\n${terms}\n`).join(`\n${'-'.repeat(80)}\n\n`);
}
