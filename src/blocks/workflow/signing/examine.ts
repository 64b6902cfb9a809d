import { historyTampered } from '../../../contracts/history-signing.ts';
import type { HistoryEvent, SigningState } from '../../../contracts/workflow.ts';
import { isProaError, ProaError } from '../../../kernel/errors.ts';
import { sha256 } from '../../../kernel/node-crypto.ts';
import { pause } from '../commit-firm.ts';
import type { Core } from '../core.ts';
import { isFinal } from '../header.ts';
import { decodeLine, parseLine, readChunks, textOf } from '../history-lines.ts';
import type { WorkflowKeys } from '../keys.ts';
import type { LiveInstance } from '../live-instance.ts';
import type { StoredRecord } from '../record.ts';
import { disagreement } from './agreement.ts';
import { type Chain, emptyChain } from './chain.ts';
import { eventLines, markOf } from './marks.ts';
import type { Broken, Held } from './standing.ts';
import { verifyChain } from './verify-chain.ts';

/** What became of looking at the signatures of a stored history. */
export type Examined = { readonly kind: 'good'; readonly chain: Chain; readonly past: HistoryEvent[] } | Held | Broken;

type Stored = Pick<StoredRecord, 'header' | 'tail'>;

/** Looks at an instance that was just read: what is unfinished is verified as a whole before anything is done with it. */
export async function standingOf(core: Core, live: LiveInstance): Promise<void> {
  const { id, header, tail } = live;
  if (header === undefined || isFinal(header.status)) return;
  const examined = await examine(core, id, { header, tail });
  if (examined.kind !== 'good') {
    live.standing = examined;
    return;
  }
  live.standing = { kind: 'good', chain: examined.chain };
  live.past = examined.past;
}

/** Nothing may be executed of it: its history was changed by somebody else, or this runtime has not the settings for it. */
export function isBlocked({ standing }: LiveInstance): boolean {
  return standing !== undefined && standing.kind !== 'good';
}

interface At {
  readonly id: string;
  readonly keys: WorkflowKeys;
}

const signedHere =
  'its history is signed, and signing is off in this runtime: the feature WorkflowHistorySigning of its Configuration turns it on';
const unsignedHere =
  'its history began without signatures, and signing is on in this runtime: it can only go on where the feature WorkflowHistorySigning is off';

/** Looks at an unfinished instance that was read from the engine, signed or to be signed. Fails with the engine's error while that cannot be read. */
export async function examine(core: Core, id: string, stored: Stored): Promise<Examined> {
  const { header, tail } = stored;
  if (core.signing === undefined) return { kind: 'held', why: signedHere };
  if (header.events === 0 && tail.length === 0 && header.chunks === 0) return { kind: 'good', chain: emptyChain, past: [] };
  if (header.signed !== true) return { kind: 'held', why: unsignedHere };
  try {
    const read = await readSigned(core, { id, keys: core.keys }, stored);
    const { problem, events } = await verified(core, read);
    const start = read.events.slice(0, events).find((event) => event.type === 'executionStarted');
    const wrong = problem ?? disagreement(id, header, read.events);
    if (wrong !== undefined) return { kind: 'broken', problem: wrong, ...(start?.type === 'executionStarted' && { start }) };
    return { kind: 'good', chain: chainOf(read), past: read.events };
  } catch (error) {
    if (isProaError(error) && error.code !== 'engine.corrupt') throw error;
    return { kind: 'broken', problem: error instanceof Error ? error.message : String(error) };
  }
}

/** What there is to say of the signatures of any stored history, for people; undefined for one that has none. */
export async function signaturesOf(core: Core, id: string, stored: Stored): Promise<SigningState | undefined> {
  if (stored.header.signed !== true) return undefined;
  const { signatures, signedBy, problem } = await lookAt(core, id, stored);
  const verdict = core.signing === undefined && problem === undefined ? {} : { verified: problem === undefined };
  return { signatures, signedBy, ...verdict, ...(problem !== undefined && { problem }) };
}

/** Why a stored history may not be relied on by the settings of this runtime. */
export interface Unproven {
  readonly why: string;
  /** That it was changed has been found before: its end says so. */
  readonly marked: boolean;
}

/** Whether a stored history may be relied on: signed histories and others do not mix, and what is signed must be verified. Undefined: it may. */
export async function unproven(core: Core, id: string, stored: Stored): Promise<Unproven | undefined> {
  const signed = stored.header.signed === true;
  if (core.signing === undefined) return signed ? { why: 'its history is signed, and signing is off here', marked: false } : undefined;
  if (!signed) return { why: 'its history is not signed, and signing is on here', marked: false };
  const { problem, marked } = await lookAt(core, id, stored);
  return problem === undefined ? undefined : { why: `its history was changed by somebody else: ${problem}`, marked };
}

/** Fails with `workflow.history-unproven` for a finished instance, where signing is on, whose result cannot be relied on. One that was found changed before says so itself. */
export async function mustBeProven(core: Core, id: string, stored: Stored): Promise<void> {
  if (core.signing === undefined || !isFinal(stored.header.status)) return;
  const found = await unproven(core, id, stored);
  if (found !== undefined && !found.marked)
    throw new ProaError('workflow.history-unproven', `the result of workflow '${id}' is not to be relied on: ${found.why}`);
}

interface Look {
  readonly signatures: number;
  readonly signedBy: readonly string[];
  readonly problem?: string;
  readonly marked: boolean;
}

async function lookAt(core: Core, id: string, stored: Stored): Promise<Look> {
  const { signing } = core;
  try {
    const read = await readSigned(core, { id, keys: core.keys }, stored);
    const signedBy = signing === undefined ? [] : [...new Set(read.certificates.map((bytes) => nameOf(core, bytes)))];
    const base = { signatures: read.signatures.length, signedBy };
    const last = read.events.at(-1);
    if (last?.type === 'executionCompleted' && last.failure?.errorType === historyTampered) {
      return { ...base, problem: last.failure.errorMessage, marked: true };
    }
    if (signing === undefined) return { ...base, marked: false };
    const problem = (await verified(core, read)).problem ?? disagreement(id, stored.header, read.events);
    return { ...base, marked: false, ...(problem !== undefined && { problem }) };
  } catch (error) {
    if (isProaError(error) && error.code !== 'engine.corrupt') throw error;
    return {
      signatures: 0,
      signedBy: [],
      problem: error instanceof Error ? error.message : String(error),
      marked: await isMarked(core, id, stored),
    };
  }
}

// What is not readable as a whole may have been found so before.
async function isMarked({ engine, keys }: Core, id: string, { header, tail }: Stored): Promise<boolean> {
  const line = eventLines(header, tail).at(-1);
  if (line === undefined) return false;
  try {
    const event = await decodeLine(engine, { keys, id }, line);
    return event.type === 'executionCompleted' && event.failure?.errorType === historyTampered;
  } catch (error) {
    if (isProaError(error) && error.code !== 'engine.corrupt') throw error;
    return false;
  }
}

function nameOf({ signing }: Core, certificates: Buffer): string {
  const app = signing?.signer.named(certificates);
  return app === undefined ? 'unknown' : `${app.namespace}/${app.appId}`;
}

interface Read {
  readonly events: HistoryEvent[];
  /** The events as they are stored, which is how they were signed. */
  readonly bytes: readonly Buffer[];
  readonly signatures: readonly Buffer[];
  readonly certificates: readonly Buffer[];
  readonly foreign: readonly Buffer[];
}

async function readSigned({ engine }: Core, { id, keys }: At, { header, tail }: Stored): Promise<Read> {
  const lines = await readChunks(engine, { keys, id, execution: header.execution, chunks: header.chunks });
  const [events, bytes]: [HistoryEvent[], Buffer[]] = [[], []];
  const marks = { signature: [] as Buffer[], certificate: [] as Buffer[], foreign: [] as Buffer[] };
  for (const line of [...lines, ...tail]) {
    const mark = markOf(line);
    if (mark !== undefined) {
      marks[mark.kind].push(mark.bytes);
      continue;
    }
    const read = textOf(engine, { keys, id }, line);
    const text = typeof read === 'string' ? read : await read;
    bytes.push(Buffer.from(text, 'utf8'));
    events.push(parseLine(text, { id }));
  }
  return { events, bytes, signatures: marks.signature, certificates: marks.certificate, foreign: marks.foreign };
}

async function verified(core: Core, { events, bytes, signatures, certificates }: Read): Promise<{ problem?: string; events: number }> {
  const { signing, self } = core;
  if (signing === undefined) return { events: 0 };
  const times = new Map(bytes.map((each, i) => [each as Uint8Array, events[i]?.timeMs]));
  const timeOf = (event: Uint8Array): number | undefined => times.get(event);
  return verifyChain(signing, { events: bytes, signatures, certificates }, { app: self, timeOf, pause: () => pause(core.clock, 0) });
}

function chainOf({ events, signatures, certificates, foreign }: Read): Chain {
  const last = signatures.at(-1);
  return {
    events: events.length,
    ...(last !== undefined && { last }),
    signatures: signatures.length,
    certificates: certificates.map(digestOf),
    foreign: foreign.map(digestOf),
  };
}

function digestOf(bytes: Buffer): string {
  return sha256(bytes).toString('base64');
}
