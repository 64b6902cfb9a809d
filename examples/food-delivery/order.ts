/** An order as every app sees it. */
export interface Order {
  readonly id: string;
  readonly dish: string;
  readonly customer: string;
  readonly status: 'placed' | 'accepted' | 'completed';
}

/** Component names, as in `resources/`. */
export const store = 'orders';
export const broker = 'events';

/** Where the own runtime listens; Proa sets these for every app that it starts. */
export const runtime = {
  host: '127.0.0.1',
  httpPort: process.env['DAPR_HTTP_PORT'] ?? '3500',
  grpcPort: process.env['DAPR_GRPC_PORT'] ?? '50001',
  appPort: process.env['APP_PORT'] ?? '3000',
};
