import { ProaError } from '../../kernel/errors.ts';

/** Longer names would not fit into the engine's keys together. */
const nameBytesMax = 256;
/** `||` stands between the parts of stored keys. */
const forbidden = /[/\\?#\p{Cc}\ud800-\udfff]|\|\|/u;
/** What nearly all names are: it spares them the other tests. */
const plain = /^[A-Za-z0-9_.:@$~!*()'-]{1,256}$/;
const internalPrefix = 'dapr.internal.';

/** Types, ids, and names of reminders and timers hold no `/ \ ? #`, no control characters, and are not `.` or `..` (Dapr reference 6.4). Fails with `bad-request`. */
export function checkActorName(name: string, what: 'actor type' | 'actor id' | 'reminder name' | 'timer name'): void {
  if (plain.test(name) && name !== '.' && name !== '..') return;
  if (name === '' || name === '.' || name === '..' || forbidden.test(name))
    throw new ProaError('bad-request', `the ${what} ${JSON.stringify(name.slice(0, 64))} is not valid`, {
      hint: 'it needs at least one character, and none of / \\ ? # || and control characters',
    });
  if (Buffer.byteLength(name) > nameBytesMax) throw new ProaError('bad-request', `the ${what} has more than ${nameBytesMax} bytes`);
}

/** Checks who is meant. Fails with `bad-request`, and with `actor.reserved` for types of the runtime. */
export function checkActor(type: string, id: string): void {
  checkActorName(type, 'actor type');
  checkActorName(id, 'actor id');
  if (type.startsWith(internalPrefix)) throw new ProaError('actor.reserved', `the actor type ${type} is reserved for the runtime`);
}

/** The app's path of an actor's method: what access control sees too. */
export function actorPath(type: string, id: string, method: string): string {
  return `actors/${type}/${id}/method/${method}`;
}

/** Reads what `actorPath` made; fails with `bad-request`. */
export function parseActorPath(path: string): { readonly type: string; readonly id: string; readonly method: string } {
  const [actors, type = '', id = '', kind, ...method] = path.split('/');
  if (actors !== 'actors' || kind !== 'method' || method.length === 0 || method[0] === '')
    throw new ProaError('bad-request', 'the call names no method of an actor');
  checkActor(type, id);
  return { type, id, method: method.join('/') };
}
