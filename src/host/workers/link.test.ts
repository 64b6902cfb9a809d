import { expect, it } from 'vitest';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createLink, type Answers } from './link.ts';

function pair(answers: Answers) {
  const clock = createFakeClock();
  const one = createLink({ clock, send: (message) => two.received(structuredClone(message)), answers: {} });
  const two = createLink({ clock, send: (message) => one.received(structuredClone(message)), answers });
  return { one, clock };
}

it('answers questions, hands failures on, and gives up on silence and on the end of the other side', async () => {
  const { one, clock } = pair({
    double: (input) => (input as number) * 2,
    fail: () => Promise.reject(new Error('no')),
    never: () => new Promise(() => {}),
  });
  expect(await one.ask('double', 21)).toBe(42);
  await expect(one.ask('fail')).rejects.toMatchObject({ code: 'unavailable', message: '"fail": no' });
  await expect(one.ask('unknown')).rejects.toMatchObject({ message: '"unknown": nobody answers "unknown"' });
  const silent = one.ask('never', undefined, 1_000);
  clock.advance(1_001);
  await expect(silent).rejects.toMatchObject({ message: '"never": no answer in time' });
  const cut = one.ask('never');
  one.close();
  await expect(cut).rejects.toMatchObject({ message: '"never": the other process has ended' });
  one.tell('double', 1);
  await expect(one.ask('double', 1)).rejects.toMatchObject({ code: 'unavailable' });
});

it('tells without an answer: what fails or is unknown at the other side is lost, and nobody waits', async () => {
  const heard: unknown[] = [];
  const { one, clock } = pair({
    hear: (input) => heard.push(input),
    fail() {
      throw new Error('no');
    },
  });
  for (const name of ['fail', 'unknown', 'hear']) one.tell(name, name);
  await new Promise((resolve) => setImmediate(resolve));
  expect(heard).toEqual(['hear']);
  expect(clock.waiting).toBe(0);
});
