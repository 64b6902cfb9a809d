import type { CallRecorder } from '../../contracts/decisions.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Pair } from '../../kernel/stack.ts';

/** Hands calls to a recorder where no other layer measures them. */
export function record(recorder: CallRecorder, clock: Pick<Clock, 'mono' | 'turn'>): Pair {
  return {
    admit(call) {
      recorder.begin(call);
      return clock.turn();
    },
    settle: (call, outcome, admitted) =>
      recorder.end(call, outcome, outcome.atOnce === true ? 0 : call.end.atMs(clock) - (admitted as number)),
  };
}
