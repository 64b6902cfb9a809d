import { activity, createApp, serve } from '../../../src/sdk.ts';

const tell = activity({ name: 'tell' }, async ({ customer, text }: { readonly customer: string; readonly text: string }) => {
  const key = await running.client.secrets.get('keys', 'DEMO_MESSAGE_KEY').catch(() => undefined);
  console.log(`${key === undefined ? 'would tell' : 'tells'} ${customer}: ${text}`);
});

const running = await serve(createApp().activity(tell));
