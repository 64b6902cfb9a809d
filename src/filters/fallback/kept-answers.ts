import { ownText } from '../../kernel/flat-text.ts';

/** An answer as it can be given again. */
export interface KeptAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

/** Answers by what was asked for: at most so many, and so many bytes. */
export interface KeptAnswers {
  /** The answer, unless it is older than that. */
  get(key: string, nowMs: number, ageMaxMs: number): KeptAnswer | undefined;
  /** Keeps a copy in place of an older answer. */
  keep(key: string, answer: KeptAnswer, nowMs: number): void;
}

interface Kept {
  readonly answer: KeptAnswer;
  readonly atMs: number;
  readonly bytes: number;
}

/** Of one rule and target, however many answers it allows. */
const bytesMaxDefault = 64 * 1024 * 1024;
/** What an answer costs beside its texts and bytes, roughly. */
const answerBytes = 500;

/** Nothing is kept at first; when there is no room, the answer that was kept for longest goes. */
export function createKeptAnswers(entriesMax: number, bytesMax: number = bytesMaxDefault): KeptAnswers {
  const all = new Map<string, Kept>();
  let bytes = 0;
  const drop = (key: string): void => {
    const kept = all.get(key);
    if (kept === undefined) return;
    all.delete(key);
    bytes -= kept.bytes;
  };
  return {
    get(key, nowMs, ageMaxMs) {
      const kept = all.get(key);
      return kept === undefined || nowMs - kept.atMs > ageMaxMs ? undefined : kept.answer;
    },
    keep(key, { status, headers, body }, nowMs) {
      drop(key);
      // Neither the head that the key is made of, nor the piece of memory that small bodies share.
      const own = { status, headers: headers.map(ownText), body: new Uint8Array(body) };
      const size = answerBytes + key.length + body.length + headers.reduce((sum, text) => sum + text.length, 0);
      all.set(ownText(key), { answer: own, atMs: nowMs, bytes: size });
      bytes += size;
      while (all.size > entriesMax || bytes > bytesMax) drop(all.keys().next().value as string);
    },
  };
}
