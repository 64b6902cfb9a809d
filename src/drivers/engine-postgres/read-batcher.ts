import type { Clock } from '../../kernel/ports.ts';

interface Waiting<Asked, Answer> {
  readonly asked: Asked;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

const lanesMax = 2;
const batchMax = 256;

/**
 * Gathers single reads into statements for many: at 64 reads in flight this is several times as fast as a statement for each. `readAll` answers in the order of what was asked.
 * A read sees everything that was committed before it was asked for, because its statement is sent later.
 */
export function createReadBatcher<Asked, Answer>(clock: Clock, readAll: (asked: readonly Asked[]) => Promise<readonly Answer[]>) {
  const waiting: Waiting<Asked, Answer>[] = [];
  let lanes = 0;
  const lane = async (): Promise<void> => {
    await new Promise<void>((resolve) => clock.soon(resolve));
    while (waiting.length > 0) {
      const batch = waiting.splice(0, batchMax);
      try {
        const answers = await readAll(batch.map((one) => one.asked));
        for (const [i, one] of batch.entries()) one.resolve(answers[i] as Answer);
      } catch (error) {
        for (const one of batch) one.reject(error);
      }
    }
    lanes--;
  };
  return (asked: Asked): Promise<Answer> =>
    new Promise((resolve, reject) => {
      waiting.push({ asked, resolve, reject });
      if (lanes >= lanesMax) return;
      lanes++;
      void lane();
    });
}
