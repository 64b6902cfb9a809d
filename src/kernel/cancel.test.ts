import { describe, expect, it } from 'vitest';
import { CancelScope, neverCancelled } from './cancel.ts';

describe('CancelScope', () => {
  it('tells everyone once, in the order in which they came', () => {
    const scope = new CancelScope();
    const heard: string[] = [];
    const first = { cancel: (reason: unknown) => heard.push(`first ${String(reason)}`) };
    scope.guard(first);
    scope.onCancel((reason) => heard.push(`second ${String(reason)}`));
    scope.release(first);
    scope.guard({ cancel: (reason) => heard.push(`third ${String(reason)}`) });
    scope.cancel('why');
    scope.cancel('again');
    expect(heard).toEqual(['second why', 'third why']);
    expect(scope.reason).toBe('why');
  });

  it('forgets what has ended, first, middle and last', () => {
    const scope = new CancelScope();
    const heard: number[] = [];
    const works = [0, 1, 2, 3].map((i) => ({ cancel: () => heard.push(i) }));
    for (const work of works) scope.guard(work);
    for (const i of [0, 2]) scope.release(works[i] as (typeof works)[number]);
    const unlink = scope.onCancel(() => heard.push(9));
    unlink();
    unlink();
    scope.cancel('x');
    expect(heard).toEqual([1, 3]);
  });

  it('tells those at once who come too late', () => {
    const scope = new CancelScope();
    scope.cancel('early');
    const heard: unknown[] = [];
    scope.guard({ cancel: (reason) => heard.push(reason) });
    scope.onCancel((reason) => heard.push(reason))();
    expect(heard).toEqual(['early', 'early']);
  });

  it('gives a signal that is aborted with it', () => {
    const scope = new CancelScope();
    const signal = scope.signal();
    expect(signal.aborted).toBe(false);
    scope.cancel('x');
    expect(signal.reason).toBe('x');
  });

  it('exists in a form that never happens', () => {
    const work = { cancel: () => expect.unreachable() };
    neverCancelled.guard(work);
    neverCancelled.release(work);
    expect(neverCancelled.cancelled).toBe(false);
  });
});
