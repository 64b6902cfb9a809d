/** Whether an app can be called so here: letters, digits, `-` and `_`. Dots part an app from its namespace. */
export function isAppId(id: unknown): boolean {
  return typeof id === 'string' && /^[A-Za-z0-9][\w-]*$/.test(id);
}

/** Why a name cannot be that of an app, with what can. */
export function wrongAppId(id: string): string {
  return `"${id}" cannot be an app id: use letters, digits, - and _`;
}

/** The name of a folder as an app id: what cannot stand in one is `-`. */
export function appIdOfFolder(name: string): string {
  return name.replace(/[^\w-]+/g, '-').replace(/^[-_]+|-+$/g, '') || 'app';
}

/** An app as others name it: `app`, or `app.namespace` for one of another namespace. The part behind the last dot is the namespace; a dot at an end is part of the name. */
export function splitAppName(name: string): { readonly appId: string; readonly namespace?: string } {
  const dot = name.lastIndexOf('.');
  return dot > 0 && dot < name.length - 1 ? { appId: name.slice(0, dot), namespace: name.slice(dot + 1) } : { appId: name };
}
