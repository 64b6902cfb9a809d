import type { HistorySigning } from '../../../contracts/history-signing.ts';
import type { HistoryEvent } from '../../../contracts/workflow.ts';
import { ProaError } from '../../../kernel/errors.ts';
import type { EncodedLine } from '../history-lines.ts';
import type { LiveInstance } from '../live-instance.ts';
import { type Chain, emptyChain, extendChain, type Signed } from './chain.ts';

/** What a commit adds to a history. */
export interface Added {
  readonly live: LiveInstance;
  /** The execution that is over by it: the next one begins a chain of its own. */
  readonly ended: string | undefined;
  readonly events: readonly HistoryEvent[];
  /** The same, as they are stored. */
  readonly encoded: readonly EncodedLine[];
}

/** Signs the events that a commit adds; undefined when there are none. Fails with `identity.unavailable`. */
export function signTurn(signing: HistorySigning, { live, ended, events, encoded }: Added): Signed | undefined {
  const last = events.at(-1);
  if (last === undefined) return undefined;
  const { standing } = live;
  const foreign = standing?.kind === 'good' ? (standing.absorbing ?? []) : [];
  const chain = chainOf(live, ended);
  return extendChain(signing, chain, { events: encoded.map(bytesOf), lastMs: last.timeMs, foreign });
}

// An execution without events begins a chain; what others have signed is extended only once it was verified.
function chainOf({ standing, header }: LiveInstance, ended: string | undefined): Chain {
  if (ended !== undefined || header === undefined || header.events === 0) return emptyChain;
  if (standing?.kind === 'good') return standing.chain;
  throw new ProaError('internal', 'a history that was not verified cannot be signed');
}

/** The bytes of an event as they are stored, in its line or beside it. */
export function bytesOf({ line, parts }: EncodedLine): Buffer {
  return parts.length === 0 ? Buffer.from(line, 'utf8') : Buffer.concat(parts.map(({ value }) => value));
}
