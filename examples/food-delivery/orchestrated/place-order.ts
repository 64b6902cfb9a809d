import { activityOf, createApp, serve, workflow } from '../../../src/sdk.ts';
import { store, type Order } from '../order.ts';

type Wish = Pick<Order, 'id' | 'dish' | 'customer'>;

// What other apps do. Their code is theirs; this is all that the workflow knows of it.
const accept = activityOf<Wish, void>('kitchen', 'accept');
const release = activityOf<Wish, void>('kitchen', 'release');
const cook = activityOf<Wish, void>('kitchen', 'cook');
const tell = activityOf<{ readonly customer: string; readonly text: string }, void>('notify-user', 'tell');

/** The whole business case. It goes on where it was after a crash or a deploy of any of the three apps; what fails is undone in reverse order. */
const order = workflow({ name: 'order', retry: { attempts: 10, backoff: '200ms..10s' } }, async (ctx, wish: Wish) => {
  const keep = (status: string) => running.client.state.set(store, wish.id, { ...wish, status });
  const say = (text: string) => ctx.call(tell, { customer: wish.customer, text: `your ${wish.dish} is ${text}` });

  ctx.onRollback(tell, { customer: wish.customer, text: `we are sorry: there will be no ${wish.dish} today` });
  await ctx.run('store placed', () => keep('placed'), { rollback: () => keep('cancelled') });
  await say('placed');

  ctx.onRollback(release, wish);
  await ctx.call(accept, wish);
  await ctx.run('store accepted', () => keep('accepted'));
  await say('accepted');

  await ctx.sleep('1s');
  await ctx.call(cook, wish);
  await ctx.run('store completed', () => keep('completed'));
  await say('completed');
});

const app = createApp()
  .workflow(order)
  .handle('orders', async ({ data }) => {
    const { id, dish, customer } = data as Wish;
    await running.client.workflows.start(order, { id, dish, customer }, { id });
    return { id, dish, customer, status: 'placed' };
  });

const running = await serve(app);
console.log('taking orders');
