import { expect, it } from 'vitest';
import { createCall } from '../../kernel/call.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { systemGuard } from './system-guard.ts';

it('says the utilisation that is allowed as it was written', async () => {
  const clock = createFakeClock();
  const loop = { idleMs: 0, activeMs: 0 };
  const guard = systemGuard({
    clock,
    process: { loopTimes: () => ({ ...loop }) },
    utilisationMax: 0.999,
    requestsMax: Infinity,
    concurrentMax: Infinity,
    averageMaxMs: Infinity,
  });
  const admit = () => guard.admit?.(createCall({ block: 'x', name: 'x', idempotent: true }, undefined));
  admit();
  admit();
  clock.advance(600);
  loop.activeMs += 600;
  expect(admit).toThrow('its event loop is busy more than 99.9 % of the time');
});
