import { isProaError } from '../../kernel/errors.ts';

const attemptsMax = 6;

/**
 * Runs `attempt` again, at most five times, when a port that was free while it planned has been taken since: two runs that start at the same
 * moment see the same ports as free. Nothing of a failed attempt may stay open.
 */
export async function withFreePorts(attempt: () => Promise<number>): Promise<number> {
  for (let made = 1; ; made++) {
    try {
      return await attempt();
    } catch (thrown) {
      if (made === attemptsMax || !isProaError(thrown) || thrown.code !== 'config.port-taken') throw thrown;
    }
  }
}
