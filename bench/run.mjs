// `npm run bench [-- name ...]`: runs every bench, or the named ones; prints their tables and puts them in bench/RESULTS.md, where the tables of the
// others stay.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const file = `${folder}RESULTS.md`;
const all = readdirSync(folder)
  .filter((name) => name.endsWith('.mjs') && !/^(?:run|harness|restate-server|workflow-load)\.|-subject\./.test(name))
  .map((name) => name.slice(0, -4));
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`no bench named ${unknown.join(', ')}; there are ${all.join(', ')}`);
  process.exit(2);
}
const preface =
  '# Results\n\nMedians of interleaved shots, each with an empty page cache (where root runs them); ratios bind, absolute figures orient. Written by `npm run bench`.\n';
const machine = `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'})`;
const sections = new Map();
if (existsSync(file)) {
  const [, ...kept] = readFileSync(file, 'utf8').split(/^## /m);
  for (const text of kept) sections.set(text.slice(0, text.indexOf('\n')), `## ${text}`.trimEnd());
}
for (const name of [...sections.keys()]) if (!all.includes(name)) sections.delete(name);
for (const name of wanted.length > 0 ? wanted : all) {
  process.stderr.write(`${name} ...\n`);
  const { run } = await import(`./${name}.mjs`);
  sections.set(name, section(name, await run().catch((error) => ({ skipped: error instanceof Error ? error.message : String(error) }))));
  console.log(`${sections.get(name)}\n`);
  writeFileSync(
    file,
    [
      preface,
      ...Array.from(
        all.filter((each) => sections.has(each)),
        (each) => `${sections.get(each)}\n`,
      ),
    ].join('\n'),
  );
}
process.exit(0);

function section(name, { skipped, conditions, rows = [], ratios = [], figures = [] }) {
  const out = [`## ${name}`, ''];
  if (skipped !== undefined) return [...out, `Not measured: ${skipped}.`].join('\n');
  out.push(`${conditions}. ${machine}, ${new Date().toISOString().slice(0, 10)}.`, '');
  const aligned = [
    ['candidate', 'per second', 'CPU µs each', 'errors'],
    ...rows.map(({ name: who, rate, cpu, errors }) => [who, Math.round(rate), cpu?.toFixed(1) ?? '', errors ?? '']),
  ];
  if (rows.length > 0) out.push(table(aligned), '');
  const verdict = (met) => (met === undefined ? '' : met ? 'met' : '**not met**');
  if (ratios.length > 0) {
    const lines = ratios.map(({ name: ratio, value, goal }) => [
      ratio,
      value.toFixed(2),
      goal === undefined ? '' : `≥ ${goal}`,
      verdict(goal && value >= goal),
    ]);
    out.push(table([['ratio', 'measured', 'goal', ''], ...lines]), '');
  }
  if (figures.length > 0) {
    const lines = figures.map(({ name: figure, value, atMost }) => [
      figure,
      value.toFixed(value < 10 ? 2 : 1),
      atMost === undefined ? '' : `≤ ${atMost}`,
      verdict(atMost && value <= atMost),
    ]);
    out.push(table([['figure', 'measured', 'goal', ''], ...lines]), '');
  }
  return out.join('\n').trimEnd();
}

/** A Markdown table, its columns aligned as the formatter of this repository would. */
function table([head, ...lines]) {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...lines].map((cells) => String(cells[column]).length)));
  const render = (cells) =>
    `| ${cells.map((cell, column) => (column === 0 ? String(cell).padEnd(widths[column]) : String(cell).padStart(widths[column]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [render(head), rule, ...lines.map(render)].join('\n');
}
