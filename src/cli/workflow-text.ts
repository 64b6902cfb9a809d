import { harmless, type Output } from './output.ts';

type Fields = Readonly<Record<string, unknown>>;

const shownMax = 60;

/** Prints what the runtime answered about workflows, for people. `what` is the verb of the command. */
export function printWorkflows(what: string, body: unknown, output: Output): void {
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Fields;
  switch (what) {
    case 'list':
      return printList(fields, output);
    case 'show':
      return printState(fields, output);
    case 'history':
      return output.table([['ID', 'TIME', 'EVENT', 'WHAT'], ...listOf(fields['events']).map(eventRow)]);
    case 'start':
    case 'rerun':
      return output.line(text(fields['instanceId']));
    case 'purge':
      return output.line(`${text(fields['count'])} purged${fields['complete'] === false ? ', there are more' : ''}`);
    default:
      return output.line('done');
  }
}

function printState(fields: Fields, output: Output): void {
  const width = Math.max(...Object.keys(fields).map((name) => name.length));
  for (const [name, value] of Object.entries(fields)) {
    for (const [label = '', line = ''] of lines(name, value)) output.line(`${label.padEnd(width)}  ${line}`);
  }
}

function printList({ instances, token }: Fields, output: Output): void {
  const rows = listOf(instances);
  if (rows.length === 0) return output.say('no workflows');
  output.table([
    ['ID', 'NAME', 'STATUS', 'CREATED', 'UPDATED'],
    ...rows.map((row) => ['instanceId', 'name', 'status', 'created', 'updated'].map((name) => text(row[name]))),
  ]);
  if (token !== undefined) output.say(`there are more: --token ${text(token)}`);
}

function eventRow({ id, time, type, attestation, ...rest }: Fields): string[] {
  const what = Object.entries(rest).map(([name, value]) => `${name}=${text(value)}`);
  // Who executed it gave its word: that it is there matters, not how it reads.
  return [text(id), text(time), text(type), short([...(attestation === undefined ? [] : ['attested']), ...what].join(' '))];
}

// A value of several lines keeps them: what a stalled workflow did and what its code does now stand side by side.
function lines(name: string, value: unknown): string[][] {
  const texts = stallOf(value) ?? (name === 'signing' ? signingOf(value) : undefined) ?? text(value);
  return texts.split('\n').map((line, i) => [i === 0 ? name : '', line]);
}

function stallOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('description' in value)) return undefined;
  const { reason, description } = value as { readonly reason?: unknown; readonly description: unknown };
  return `${text(reason)}\n${String(description).split('\n').map(harmless).join('\n')}`;
}

function signingOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || !('signatures' in value)) return undefined;
  const { signatures, signedBy, verified, problem } = value as Fields;
  const who = Array.isArray(signedBy) && signedBy.length > 0 ? ` of ${signedBy.map(text).join(', ')}` : '';
  const verdict =
    verified === true ? 'verified' : verified === false ? `refused: ${text(problem)}` : 'not verified: signing is off in this runtime';
  return `${text(signatures)} ${signatures === 1 ? 'signature' : 'signatures'}${who}, ${verdict}`;
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? (value as Fields[]) : [];
}

function text(value: unknown): string {
  return value === undefined ? '' : harmless(typeof value === 'string' ? value : JSON.stringify(value));
}

function short(line: string): string {
  return line.length <= shownMax ? line : `${line.slice(0, shownMax - 1)}…`;
}
