import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { Undo } from './steps.ts';

/** Undoes what was done, the last first. Answers the error of the run: `thrown`, or `workflow.rollback-failed` around it when something stays done. */
export async function rollback(thrown: unknown, undos: Undo[]): Promise<unknown> {
  const failures: string[] = [];
  for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) {
    try {
      await undo.perform();
    } catch (error) {
      failures.push(`"${undo.name}" failed: ${messageOf(error)}`);
    }
  }
  if (failures.length === 0) return thrown;
  return new ProaError('workflow.rollback-failed', `${messageOf(thrown)}; not everything was undone: ${failures.join('; ')}`, {
    cause: thrown,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error || isProaError(error) ? error.message : String(error);
}
