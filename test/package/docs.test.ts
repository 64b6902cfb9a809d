import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
let place: string;
let path: string;

interface Block {
  /** What the comment above the fence says: `run`, `run: eventually` (again until it ends with 0), `run: until "text"`, `file: name`, `output`. */
  readonly mark: string;
  readonly text: string;
}

/** Fenced blocks with a comment above them; the others are for reading only. */
function blocksOf(text: string): Block[] {
  return [...text.matchAll(/<!-- (file: [^\n]+?|run(?:: [^\n]+?)?|output) -->\n+```\w*\n([\s\S]*?)```/g)].map(([, mark, body]) => ({
    mark: mark as string,
    text: body as string,
  }));
}

function pages(): string[] {
  const below = (folder: string): string[] =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name));
  return ['README.md', ...below('docs'), ...below('docs/tutorials'), ...below('docs/guides'), ...below('docs/decisions')];
}

function shell(cwd: string, script: string): ChildProcess {
  const env = { ...process.env, PATH: path, HOME: place, PROA_STATE_DIR: join(cwd, '.state'), NO_COLOR: '1' };
  return spawn('sh', ['-ec', script], { cwd, env, detached: true });
}

interface Output {
  text: string;
}

function collect(child: ChildProcess, told: () => void = () => {}): Output {
  const output = { text: '' };
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output.text += text;
      told();
    });
  return output;
}

async function finish(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  return new Promise((resolve) => child.once('close', resolve));
}

/** What the script printed when it ended with 0, at once or in one of the attempts until then. */
async function succeed(cwd: string, text: string, untilMs: number): Promise<string> {
  for (;;) {
    const child = shell(cwd, text);
    const output = collect(child);
    const code = await finish(child);
    if (code !== 0 && performance.now() < untilMs) continue;
    expect({ text, code, output: output.text }).toMatchObject({ code: 0 });
    return output.text;
  }
}

/** Runs the blocks of one page in order, in a folder of its own with a space in its path. */
async function follow(page: string): Promise<void> {
  const cwd = mkdtempSync(join(place, 'page '));
  const background: ChildProcess[] = [];
  // As after `npm install proa`.
  mkdirSync(join(cwd, 'node_modules'));
  symlinkSync(root, join(cwd, 'node_modules/proa'));
  let last = '';
  try {
    for (const { mark, text } of blocksOf(readFileSync(join(root, page), 'utf8'))) {
      if (mark.startsWith('file: ')) {
        const file = join(cwd, mark.slice('file: '.length));
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, text);
      } else if (mark === 'output') {
        expect(last.trim()).toBe(text.trim());
      } else if (mark === 'run' || mark === 'run: eventually') {
        const patienceMs = mark === 'run' ? 0 : 60_000;
        last = await succeed(cwd, text, performance.now() + patienceMs);
      } else {
        const wanted = /^run: until "(.+)"$/.exec(mark)?.[1] as string;
        const child = shell(cwd, `exec ${text}`);
        background.push(child);
        await new Promise<void>((resolve, reject) => {
          const output = collect(child, () => {
            if (output.text.includes(wanted)) resolve();
          });
          child.once('close', () => reject(new Error(`${text} ended before it said "${wanted}":\n${output.text}`)));
        });
      }
    }
  } finally {
    for (const child of background) {
      const ended = finish(child);
      child.kill('SIGTERM');
      await ended;
    }
  }
}

beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'proa docs '));
  const bin = join(place, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'proa'), `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'dist/bin/proa.cjs')}' "$@"\n`);
  chmodSync(join(bin, 'proa'), 0o755);
  path = `${bin}:${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`;
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

describe('the documents', () => {
  const withRuns = pages().filter((page) => blocksOf(readFileSync(join(root, page), 'utf8')).length > 0);

  it('hold snippets to run', () => {
    expect(withRuns.length).toBeGreaterThan(3);
  });

  it.each(withRuns)('%s works as it is written', (page) => follow(page));

  it('run every snippet, or say why one is only for reading', () => {
    const unmarked = pages().flatMap((page) => {
      const lines = readFileSync(join(root, page), 'utf8').split('\n');
      let inside = false;
      return lines.flatMap((line, i) => {
        if (!line.startsWith('```')) return [];
        inside = !inside;
        // Drawings and shapes of output are texts.
        if (!inside || line === '```text') return [];
        const above = lines.slice(0, i).findLast((earlier) => earlier.trim() !== '') ?? '';
        return /^<!-- (?:file: |run|output|read: ).* -->$|^<!-- (?:run|output) -->$/.test(above) ? [] : [`${page}:${i + 1}`];
      });
    });
    expect(unmarked).toEqual([]);
  });

  it('link to files that exist', () => {
    const broken: string[] = [];
    for (const page of [...pages(), ...readdirSync(join(root, 'docs/reference')).map((name) => join('docs/reference', name))]) {
      const text = readFileSync(join(root, page), 'utf8');
      for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
        const file = join(root, dirname(page), target as string);
        if (!existsSync(file)) broken.push(`${page}: ${relative(root, file)}`);
      }
    }
    expect(broken).toEqual([]);
  });
});
