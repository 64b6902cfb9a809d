// `npm run bench [name ...]`: runs every bench, or the named ones; prints a table and writes bench/RESULTS.md.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const all = readdirSync(folder)
  .filter((file) => file.endsWith('.mjs') && !['run.mjs', 'servers.mjs'].includes(file))
  .map((file) => file.slice(0, -4));
const wanted = process.argv.slice(2);
const lines = [
  '# Results',
  '',
  `Node ${process.version}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${new Date().toISOString().slice(0, 10)}. Medians of interleaved shots; ratios bind, absolute figures orient.`,
  '',
];
const missing = [];
for (const name of all) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  process.stderr.write(`${name} ...\n`);
  const { run } = await import(`./${name}.mjs`);
  if (run === undefined) continue;
  try {
    const result = await run();
    if (result.skipped !== undefined) missing.push(`${name}: ${result.skipped}`);
    else lines.push(...table(name, result));
  } catch (error) {
    missing.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
if (missing.length > 0) lines.push('## Not measured', '', ...missing.map((line) => `- ${line}`), '');
const text = `${lines.join('\n')}\n`;
console.log(text);
if (wanted.length === 0 || !existsSync(`${folder}RESULTS.md`)) writeFileSync(`${folder}RESULTS.md`, text);
process.exit(0);

function table(name, { conditions, rows = [], ratios = [], figures = [] }) {
  const out = [`## ${name}`, '', `${conditions}.`, ''];
  if (rows.length > 0) {
    out.push('| candidate | per second | CPU µs each | errors |', '|---|--:|--:|---|');
    for (const row of rows)
      out.push(`| ${row.name} | ${Math.round(row.rate)} | ${row.cpu === undefined ? '' : row.cpu.toFixed(1)} | ${row.errors ?? ''} |`);
    out.push('');
  }
  if (ratios.length > 0) {
    out.push('| ratio | measured | goal | |', '|---|--:|--:|---|');
    for (const ratio of ratios)
      out.push(`| ${ratio.name} | ${ratio.value.toFixed(2)} | ≥ ${ratio.goal} | ${ratio.value >= ratio.goal ? 'met' : '**not met**'} |`);
    out.push('');
  }
  if (figures.length > 0) {
    out.push('| figure | measured | goal | |', '|---|--:|--:|---|');
    for (const { name: figure, value, atMost, atLeast } of figures) {
      const goal = atMost !== undefined ? `≤ ${atMost}` : atLeast !== undefined ? `≥ ${atLeast}` : '';
      const met = atMost !== undefined ? value <= atMost : atLeast !== undefined ? value >= atLeast : undefined;
      out.push(`| ${figure} | ${value.toFixed(1)} | ${goal} | ${met === undefined ? '' : met ? 'met' : '**not met**'} |`);
    }
    out.push('');
  }
  return out;
}
