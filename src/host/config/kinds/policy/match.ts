import type { HeaderMatch, Match } from '../../../../mesh/policy/model.ts';
import { templateError } from '../../../../mesh/policy/path-template.ts';
import { filledText, flag, list, object, optional, required, text, wrongValue, type Reader } from '../../shape.ts';
import type { YamlNode } from '../../yaml.ts';

const listed: Reader<readonly string[]> = (node, path, reading) => {
  const items = list(filledText)(node, path, reading);
  return items?.length === 0 ? wrongValue(reading, node.span, `${path} must not be empty`) : items;
};

const methods: Reader<readonly string[]> = (node, path, reading) => {
  const items = listed(node, path, reading)?.map((item) => item.toUpperCase());
  const wrong = items?.find((item) => !/^[A-Z]+$/.test(item));
  return wrong === undefined ? items : wrongValue(reading, node.span, `${path}: "${wrong}" is no HTTP method`);
};

/** A path template, checked. */
export const pathTemplate: Reader<string> = (node, path, reading) => {
  const written = text(node, path, reading);
  const why = written === undefined ? undefined : templateError(written);
  return why === undefined ? written : wrongValue(reading, node.span, `${path} is no path template: ${why}`);
};

const pairShape = object({ name: required(filledText), exact: optional(text), prefix: optional(filledText), present: optional(flag) });

/** One header or cookie: `name` with one of `exact`, `prefix`, `present`. */
function pair(lowerCase: boolean): Reader<HeaderMatch> {
  return (node, path, reading) => {
    const written = pairShape(node, path, reading);
    if (written === undefined) return undefined;
    const { exact, prefix, present } = written;
    const name = lowerCase ? written.name.toLowerCase() : written.name;
    if ([exact, prefix, present].filter((part) => part !== undefined).length !== 1)
      return wrongValue(reading, node.span, `${path} needs one of exact, prefix, present`);
    if (exact !== undefined) return { name, exact };
    return prefix === undefined ? { name, present: present ?? true } : { name, prefix };
  };
}

const shape = object({
  methods: optional(methods),
  path: optional(pathTemplate),
  callers: optional(listed),
  headers: optional(list(pair(true))),
  cookies: optional(list(pair(false))),
  operations: optional(listed),
});

/** `match` of a Policy. */
export const match: Reader<Match> = (node: YamlNode, path, reading) => {
  const written = shape(node, path, reading);
  if (written === undefined) return undefined;
  return Object.keys(written).length === 0 ? wrongValue(reading, node.span, `${path} is empty: leave it out to match every call`) : written;
};
