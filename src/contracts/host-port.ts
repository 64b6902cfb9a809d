/** A TCP address as people write it: `host:port`, `[v6]:port`. Undefined for anything else; without a port `portDefault` is taken when there is one. */
export function parseHostPort(text: string, portDefault?: number): { readonly host: string; readonly port: number } | undefined {
  const parts = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const host = parts?.[1] ?? parts?.[2];
  const port = parts?.[3] === undefined ? portDefault : Number(parts[3]);
  return host === undefined || port === undefined || port < 1 || port > 65_535 ? undefined : { host, port };
}
