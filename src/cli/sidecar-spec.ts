import type { AppSpec } from '../host/host-api.ts';
import { isAppId, wrongAppId } from '../kernel/app-name.ts';
import type { ProcessPort } from '../kernel/ports.ts';
import { specFromFlags } from './app-spec.ts';
import type { FlagValues } from './flags.ts';
import { UsageError } from './parse-args.ts';

/** The app of a sidecar: needs --app-id; what cannot work here is refused instead of ignored. */
export function sidecarSpec(values: FlagValues, system: ProcessPort): AppSpec {
  const id = values['app-id'];
  if (!id) throw new UsageError('--app-id is missing', 'proa sidecar --app-id orders --app-port 3000');
  if (!isAppId(id)) throw new UsageError(wrongAppId(id));
  if (values.mode === 'kubernetes')
    throw new UsageError('--mode kubernetes is not offered', 'leave it out: resources come from --resources-path');
  const timeoutMs = values['actors-disseminate-timeout'];
  if (timeoutMs !== undefined && timeoutMs <= 0) throw new UsageError('--actors-disseminate-timeout must be positive');
  return specFromFlags(id, values, system);
}
