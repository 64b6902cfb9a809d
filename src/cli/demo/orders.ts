import type { Ports } from '../../kernel/ports.ts';
import { tokensOf } from '../../kernel/token-list.ts';
import { callHttp } from '../http-call.ts';

const statuses = ['placed', 'accepted', 'completed'] as const;
export type OrderStatus = (typeof statuses)[number];

/** An order and when its states were first seen, in milliseconds since it was placed. */
export interface FollowedOrder {
  readonly id: string;
  readonly dish: string;
  readonly customer: string;
  readonly seen: readonly { readonly status: OrderStatus; readonly afterMs: number }[];
}

const menu = [
  ['Ada', 'ramen'],
  ['Grace', 'pizza margherita'],
  ['Edsger', 'bibimbap'],
  ['Barbara', 'falafel'],
  ['Leslie', 'green curry'],
] as const;

const callMs = 10_000;
const pollMs = 100;

/** Orders of the shop, placed and watched through the HTTP API of the runtime of `place-order`. */
export class OrderDesk {
  readonly #ports: Ports;
  readonly #httpPort: number;
  #next = 0;

  constructor(ports: Ports, httpPort: number) {
    this.#ports = ports;
    this.#httpPort = httpPort;
  }

  /** Places one order by service invocation. Its id is new in every run. Fails when the app refuses. */
  async place(): Promise<FollowedOrder> {
    const [customer, dish] = menu[this.#next++ % menu.length] as (typeof menu)[number];
    const order = { id: `order-${this.#ports.random.uuid().slice(0, 8)}`, dish, customer };
    const answer = await this.#call('POST', '/v1.0/invoke/place-order/method/orders', order);
    if (answer.status !== 200) throw new Error(`place-order answered ${answer.status}: ${answer.text.slice(0, 200)}`);
    return { ...order, seen: [] };
  }

  /** Follows an order until it is completed; tells each state that it sees. Ends early when `until` says so. */
  async follow(order: FollowedOrder, told: (order: FollowedOrder) => void, until: () => boolean): Promise<FollowedOrder> {
    const began = this.#ports.clock.mono();
    let current = order;
    while (current.seen.at(-1)?.status !== 'completed' && !until()) {
      const status = await this.#status(order.id);
      if (status !== undefined && status !== current.seen.at(-1)?.status) {
        current = { ...current, seen: [...current.seen, { status, afterMs: Math.round(this.#ports.clock.mono() - began) }] };
        told(current);
      }
      if (status !== 'completed') await new Promise<void>((resolve) => void this.#ports.clock.timer(pollMs, resolve));
    }
    return current;
  }

  async #status(id: string): Promise<OrderStatus | undefined> {
    const answer = await this.#call('GET', `/v1.0/state/orders/${id}`).catch(() => undefined);
    if (answer?.status !== 200) return undefined;
    const { status } = JSON.parse(answer.text) as { status?: unknown };
    return statuses.find((known) => known === status);
  }

  async #call(method: string, path: string, value?: unknown): Promise<{ status: number; text: string }> {
    const [token] = tokensOf(this.#ports.process.env('DAPR_API_TOKEN'));
    const answer = await callHttp(this.#ports, {
      port: this.#httpPort,
      method,
      path,
      headers: ['content-type', 'application/json', ...(token ? ['dapr-api-token', token] : [])],
      timeoutMs: callMs,
      ...(value !== undefined && { body: new TextEncoder().encode(JSON.stringify(value)) }),
    });
    return { status: answer.status, text: new TextDecoder().decode(answer.body) };
  }
}
