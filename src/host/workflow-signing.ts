import type { HistorySigning } from '../blocks/workflow/index.ts';
import type { BlockContext } from '../contracts/block-context.ts';
import { historyCodec } from '../fronts/grpc/taskhub/history-codec.ts';
import { ProaError } from '../kernel/errors.ts';
import { logFields } from '../kernel/names.ts';
import { createWorkloadSigner } from '../mesh/identity/workload-signer.ts';
import type { WorkflowWiring } from './workflow-wiring.ts';

const retryMs = 1_000;

/**
 * What signs and judges the histories of an app: the identity by which it is known in the mesh. Waits while it has none, for workflows must not go on without signatures
 * where they are asked for; rejects when the runtime ends before.
 */
export async function openSigning(
  { ports, log, appId, namespace }: BlockContext,
  { machine, stopping }: Pick<WorkflowWiring, 'machine' | 'stopping'>,
): Promise<HistorySigning> {
  for (let told = ''; ;) {
    try {
      const { source } = await machine.peers.mesh({ appId, namespace });
      return { signer: createWorkloadSigner(source), codec: historyCodec };
    } catch (thrown) {
      const error = ProaError.from(thrown);
      if (stopping()) throw error;
      if (error.message !== told)
        log.error('histories of workflows cannot be signed yet: workflows wait for it', { [logFields.error]: error.message });
      told = error.message;
    }
    await new Promise<void>((resolve) => void ports.clock.timer(retryMs, resolve, true));
    if (stopping()) throw new ProaError('unavailable', 'the runtime ends');
  }
}
