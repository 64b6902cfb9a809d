import type { Call } from './call.ts';

/** Everything that answers a request. It is called synchronously and answers with a promise; it fails with a `ProaError`. */
export type Service<In, Out> = (call: Call<In>) => Promise<Out>;

/** Everything that stands around a service. It must not know which filters stand next to it. */
export type Filter<In, Out, In2 = In, Out2 = Out> = (next: Service<In2, Out2>) => Service<In, Out>;
