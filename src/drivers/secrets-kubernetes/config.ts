import * as v from 'valibot';
import { text } from '../../kernel/schema.ts';

/** `secretstores.kubernetes` with Dapr's properties. */
export const config = v.strictObject({
  /** Namespace of secrets that are asked for without the metadata `namespace`; absent: that of the pod (or of the kubeconfig's context). */
  defaultNamespace: v.exactOptional(text()),
  /** A kubeconfig file, for a runtime outside the cluster; absent: the pod's service account, or the files that `KUBECONFIG` lists (separated by colons, merged as kubectl does). */
  kubeconfigPath: v.exactOptional(text()),
});
