import { activity, createApp, ProaError, serve } from '../../../src/sdk.ts';
import type { Order } from '../order.ts';

type Wish = Pick<Order, 'id' | 'dish'>;

/** Orders that have a place in the kitchen. Doing any of this twice is doing it once: activities may be executed again. */
const places = new Set<string>();

const app = createApp()
  .activity(
    activity({ name: 'accept' }, ({ id, dish }: Wish) => {
      console.log(`the kitchen accepts order ${id}: ${dish}`);
      places.add(id);
    }),
  )
  .activity(
    activity({ name: 'release' }, ({ id }: Wish) => {
      places.delete(id);
    }),
  )
  .activity(
    activity({ name: 'cook' }, ({ id, dish }: Wish) => {
      // Says that trying again cannot help: the workflow fails, and what it did is undone.
      if (/souffl/i.test(dish)) throw new ProaError('failed-precondition', 'the soufflé has collapsed');
      places.delete(id);
    }),
  );

await serve(app);
