/** Where a value comes from. */
export type Origin =
  | { readonly from: 'file'; readonly at: string }
  | { readonly from: 'flag'; readonly name: string }
  | { readonly from: 'environment'; readonly name: string }
  | { readonly from: 'default' };

/** A value of the configuration together with its origin. What is secret is `***` already. */
export interface Setting {
  readonly name: string;
  readonly value: string | number | boolean | readonly string[];
  readonly origin: Origin;
}

/** What nobody gave. */
export const defaultOrigin: Origin = { from: 'default' };

/** An origin in words. */
export function originText(origin: Origin): string {
  switch (origin.from) {
    case 'file':
      return origin.at;
    case 'flag':
      return `flag --${origin.name}`;
    case 'environment':
      return `environment ${origin.name}`;
    case 'default':
      return 'built-in default';
  }
}
