const factors: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
};

/** Bytes of a Kubernetes quantity (`4Mi`, `100Ki`, `1G`, `512`); undefined for anything else. */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(k|K|M|G|Ki|Mi|Gi)?B?$/.exec(text.trim());
  if (match === null) return undefined;
  return Math.round(Number(match[1]) * (factors[match[2] ?? ''] as number));
}
