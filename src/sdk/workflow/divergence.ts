import type { Divergence, WorkflowInstance } from '../../contracts/workflow.ts';
import type { Recorded } from './journal.ts';

/** An operation that the code of now asked for, in replay. */
export interface Asked {
  readonly label: string;
  /** Of what is recorded; undefined: it is not. */
  readonly id: number | undefined;
  /** Where: a stack whose text is made when it is read. */
  readonly where: { readonly stack?: string };
}

/** What is recorded, and what the code of now does. */
export interface Paths {
  readonly title: string;
  readonly instance: WorkflowInstance;
  readonly recorded: readonly (Recorded & { readonly claimed: boolean })[];
  readonly asked: readonly Asked[];
  /** The function came to its end. */
  readonly ended: boolean;
}

interface Row {
  readonly recorded: string;
  readonly now: string;
  readonly fits: boolean;
}

/** Why a run cannot go on. */
export interface Misfit extends Divergence {
  readonly text: string;
}

const rowsMax = 24;
const rowsBefore = 4;
const columnMax = 48;

/** Both paths side by side, from a little before they part, and what to do. */
export function divergenceReport({ title, instance, recorded, asked, ended }: Paths): Misfit {
  const rows = rowsOf(recorded, asked, ended);
  const parting = rows.findIndex(({ fits }) => !fits);
  const from = Math.max(0, parting - rowsBefore);
  const shown = rows.slice(from, from + rowsMax);
  const width = Math.min(columnMax, Math.max('recorded'.length, ...shown.map((row) => row.recorded.length)));
  const line = (left: string, right: string, mark: string): string => `${mark} ${left.padEnd(width)} | ${right}`.trimEnd();
  const parts = partsOf(recorded, asked);
  const text = [
    `workflow "${title}" (${instance.instanceId}) does not fit its history`,
    '',
    line('recorded', 'code now', ' '),
    `  ${'-'.repeat(width)}-+-${'-'.repeat(width)}`,
    ...(from > 0 ? [line(`(${from} more that fit)`, '', ' ')] : []),
    ...shown.map((row) => line(row.recorded, row.now, row.fits ? ' ' : '>')),
    ...(rows.length > from + rowsMax ? [line(`(${rows.length - from - rowsMax} more)`, '', ' ')] : []),
    '',
    ...advice(parts),
  ].join('\n');
  const { recorded: gone, asked: instead, source } = parts;
  return { text, recorded: gone, ...(instead !== undefined && { asked: instead }), ...(source !== '' && { source }) };
}

/** A run that waits for nothing that could ever come. */
export function blockedReport(title: string, instance: WorkflowInstance): Misfit {
  const text = [
    `workflow "${title}" (${instance.instanceId}) waits for something that is not recorded: no step, no timer, no event`,
    'help: wait only for what ctx gives: put I/O into ctx.run, and use ctx.sleep instead of timers',
  ].join('\n');
  return { text };
}

// What is recorded, in its order; what the code asks for beside it. New operations stand where the code came to them.
function rowsOf(recorded: Paths['recorded'], asked: readonly Asked[], ended: boolean): readonly Row[] {
  const names = numbered(recorded.map(({ label }) => label));
  const nowNames = numbered(asked.map(({ label }) => label));
  const byId = new Map(asked.map((each, i) => [each.id, `${nowNames[i] as string}${place(each)}`]));
  const fresh = asked.flatMap(({ id, where, label }, i) =>
    id === undefined ? [{ at: i, text: nowNames[i] as string, where, label }] : [],
  );
  const order = new Map(asked.map(({ id }, i) => [id, i]));
  const rows: Row[] = [];
  let next = 0;
  const freshBefore = (at: number): void => {
    for (; next < fresh.length && (fresh[next]?.at ?? 0) < at; next++) {
      const { text, where } = fresh[next] as (typeof fresh)[number];
      rows.push({ recorded: '', now: `${text}${place({ where })}  (not recorded)`, fits: false });
    }
  };
  recorded.forEach(({ id, claimed, label }, i) => {
    const name = names[i] as string;
    if (claimed) {
      freshBefore(order.get(id) ?? 0);
      rows.push({ recorded: name, now: byId.get(id) ?? name, fits: true });
    } else if (!label.startsWith('patch ')) rows.push({ recorded: name, now: '(not asked for)', fits: false });
  });
  freshBefore(Infinity);
  if (ended) rows.push({ recorded: '', now: '(the function ended)', fits: true });
  return paired(rows);
}

// An operation that is gone and a new one right after it are one row: it was renamed, as a rule.
function paired(rows: readonly Row[]): readonly Row[] {
  const result: Row[] = [];
  const gone: number[] = [];
  for (const row of rows) {
    if (row.fits) gone.length = 0;
    const at = row.recorded === '' && !row.fits ? gone.shift() : undefined;
    if (at !== undefined) result[at] = { ...(result[at] as Row), now: row.now };
    else result.push(row);
    if (at === undefined && !row.fits && row.recorded !== '') gone.push(result.length - 1);
  }
  return result;
}

interface Parts extends Divergence {
  readonly recorded: string;
  /** Empty: not known. */
  readonly source: string;
}

function partsOf(recorded: Paths['recorded'], asked: readonly Asked[]): Parts {
  const gone = recorded.findIndex(({ claimed, label }) => !claimed && !label.startsWith('patch '));
  const first = asked.findIndex(({ id }) => id === undefined);
  const instead = numbered(asked.map(({ label }) => label))[first];
  return {
    recorded: numbered(recorded.map(({ label }) => label))[gone] ?? '',
    ...(instead !== undefined && { asked: instead }),
    source: first < 0 ? '' : sourceOf(asked[first] as Asked),
  };
}

function advice({ recorded: name, asked: instead, source }: Parts): readonly string[] {
  const where = source === '' ? '' : ` at ${source}`;
  return [
    `"${name}" is recorded, and the code does not ask for it${instead === undefined ? '' : `; it asks for "${instead}"${where} instead`}.`,
    'The instance keeps its history and goes on with the next deploy that fits.',
    instead === undefined
      ? `help: put "${name}" back, under its old name`
      : `help: give it its old name back, or keep the old way for runs that passed here: if (ctx.patched('${patchName(instead)}')) { new } else { old }`,
  ];
}

// `run charge#1` as a word for a patch: `charge`.
function patchName(label: string): string {
  return label
    .replace(/#\d+.*$/, '')
    .replace(/^(?:run|call|child|timer|send) /, '')
    .replace(/[^\w-]+/g, '-');
}

// Steps carry their number; of other operations it is counted here. The same step again is another attempt.
function numbered(labels: readonly string[]): readonly string[] {
  const seen = new Map<string, number>();
  return labels.map((label) => {
    const n = (seen.get(label) ?? 0) + 1;
    seen.set(label, n);
    if (!/#\d+$/.test(label)) return `${shown(label)}#${n}`;
    return n === 1 ? shown(label) : `${shown(label)} (attempt ${n})`;
  });
}

function shown(label: string): string {
  return label.startsWith('timer ') ? label.slice('timer '.length) : label;
}

function place(asked: Pick<Asked, 'where'>): string {
  const source = sourceOf(asked);
  return source === '' ? '' : ` at ${source}`;
}

// The folder, the file and the line that asked.
function sourceOf({ where }: Pick<Asked, 'where'>): string {
  const frame = where.stack?.split('\n').find((line) => /:\d+:\d+\)?$/.test(line));
  const found = frame === undefined ? null : /((?:file:\/\/)?[^\s()]+):(\d+):\d+\)?$/.exec(frame);
  if (found === null) return '';
  const [, file = '', line = ''] = found;
  return `${file
    .replace(/^file:\/\//, '')
    .split('/')
    .slice(-2)
    .join('/')}:${line}`;
}
