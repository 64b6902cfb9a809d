import type { DurableTimer } from '../../contracts/timers.ts';
import type { Core } from './core.ts';
import { below, blobParts, readBlob } from './history-lines.ts';
import type { Header } from './header.ts';
import type { LiveInstance } from './live-instance.ts';
import type { Letter } from './mail.ts';
import { commitAhead, type Postman } from './postman.ts';
import type { MadeChange } from './turn-change.ts';
import type { Change } from './turn-commit.ts';

/** A commit has room for so many letters and timers beside its history. */
const effectsMax = 100;
const scope = 'outbox';

interface Effects {
  readonly letters: readonly Letter[];
  readonly timers: readonly DurableTimer[];
}

/** Whether a turn's commit has room for its effects. */
export function effectsFit({ letters, timers }: Effects): boolean {
  const chars = letters.reduce((sum, { event }) => sum + ('input' in event ? (event.input?.length ?? 0) : 0), 0);
  return letters.length + timers.length <= effectsMax && chars <= 1024 * 1024;
}

/** Puts effects that are too many for the turn's commit into a blob: the commit brings none, and its header says that they are still to be carried out. */
export async function carryOutbox(
  core: Core,
  live: LiveInstance,
  { letters, header, timers }: Pick<MadeChange, 'letters' | 'header' | 'timers'>,
): Promise<Effects & { readonly header: Header }> {
  const blob = core.random.hex(16);
  const parts = blobParts(
    JSON.stringify({ letters, timers } satisfies Effects),
    { keys: core.keys, id: live.id, scope, newBlob: () => blob },
    blob,
  );
  await commitAhead(core.engine, parts);
  return { letters: [], timers: [], header: { ...header, outbox: { blob, parts: parts.length, done: 0 } } };
}

/** What carrying out takes; `commit` answers whether the change was kept. */
export interface PumpBy {
  readonly postman: Postman;
  readonly commit: (change: Omit<Change, 'appends'>, timers: readonly DurableTimer[]) => Promise<boolean>;
}

/** Carries out what did not fit, in portions, each in one commit with how far it came. Stops when `commit` keeps nothing. */
export async function pumpOutbox(core: Core, live: LiveInstance, { postman, commit }: PumpBy): Promise<void> {
  const { keys, engine } = core;
  const outbox = live.header?.outbox;
  if (outbox === undefined) return;
  const all = JSON.parse(await readBlob(engine, { keys, id: live.id, scope }, outbox)) as Effects;
  const total = all.letters.length + all.timers.length;
  for (let { done } = outbox; done < total;) {
    const { header } = live;
    if (live.gone || header === undefined) return;
    const letters = all.letters.slice(done, done + portionOf(all.letters, done));
    const timers = letters.length > 0 ? [] : all.timers.slice(done - all.letters.length, done - all.letters.length + effectsMax);
    done += letters.length + timers.length;
    const { outbox: _old, ...rest } = header;
    const next: Header = done < total ? { ...header, outbox: { ...outbox, done } } : rest;
    const delivery = postman.deliver(letters, false);
    const kept = await commit({ live, shard: live.home, header: next, events: [], consumed: [], delivery, busy: true }, timers);
    if (!kept) return;
  }
  await engine.commit({ deleteRange: [below(keys.blobs(live.id, scope, outbox.blob))] });
}

// By number and by size, at least one.
function portionOf(letters: readonly Letter[], from: number): number {
  let chars = 0;
  let count = 0;
  for (; count < effectsMax && from + count < letters.length; count++) {
    const { event } = letters[from + count] as Letter;
    chars += 'input' in event ? (event.input?.length ?? 0) : 0;
    if (chars > 1024 * 1024 && count > 0) break;
  }
  return count;
}
