/** What `proa explain` says about a problem of the configuration. */
export interface ProblemSpec {
  readonly title: string;
  readonly why: string;
  readonly fix: string;
}

/** Problems of configuration files, finer than the error catalogue: a start that fails with them has the code `config.invalid`. */
export const problemCodes = {
  'config.file': {
    title: 'A configuration file or folder cannot be read',
    why: 'The path does not exist, is no folder, is too large (1 MiB), or may not be read.',
    fix: 'Check the path (relative paths are relative to the working directory, in run files to the file itself) and its permissions.',
  },
  'config.yaml': {
    title: 'The file is not valid YAML',
    why: 'Proa reads YAML 1.2 with the core schema: no tags, no merge keys (<<), at most 100 aliases, each key once.',
    fix: 'Correct the line that is shown; indentation by spaces only.',
  },
  'config.unknown-key': {
    title: 'A key is not known',
    why: 'Keys that nobody reads are mostly typing errors, and a setting that silently does nothing is worse than a start that fails.',
    fix: 'Correct the spelling or remove the key.',
  },
  'config.missing-key': { title: 'A required key is missing', why: 'Without it the resource has no meaning.', fix: 'Add the key.' },
  'config.wrong-value': {
    title: 'A value has the wrong form',
    why: 'The key expects another type, a word of a fixed list, or a number within limits.',
    fix: 'Write the value in the form that the message names.',
  },
  'config.unknown-kind': {
    title: 'The kind of the resource is not known',
    why: 'Kinds of apiVersion dapr.io are Component, Configuration, Subscription, HTTPEndpoint, Resiliency, WorkflowAccessPolicy (and one not supported yet).',
    fix: 'Correct `kind` and `apiVersion`.',
  },
  'config.not-supported': {
    title: 'The resource is known but not supported yet',
    why: 'Dapr knows this kind or setting; Proa reads it and goes on without it.',
    fix: 'Remove it, or accept that it has no effect.',
  },
  'config.ignored': {
    title: 'Something in a file has no effect',
    why: 'It is valid but does not apply here.',
    fix: 'Move or remove it when that was not intended.',
  },
  'config.duplicate-name': {
    title: 'A name is used twice',
    why: 'Names of components are unique over all component types; other resources per kind.',
    fix: 'Rename one of the two.',
  },
  'config.unknown-type': {
    title: 'There is no driver for this component type',
    why: 'The type is misspelt, or this build has no driver for it.',
    fix: 'Use one of the types that are listed, or set `ignoreErrors: true` to start without the component.',
  },
  'config.unknown-version': {
    title: 'The driver does not know this version',
    why: '`spec.version` names the version of the component type, mostly v1.',
    fix: 'Use one of the versions that are listed.',
  },
  'config.denied-type': {
    title: 'The Configuration denies this component type',
    why: '`components.deny` of the Configuration holds the type.',
    fix: 'Remove the component or the entry of the deny list.',
  },
  'config.secret': {
    title: 'A reference to a secret cannot be resolved',
    why: 'The secret store is not configured, or has no such secret or key.',
    fix: 'Configure the store, name it in `auth.secretStore`, and check name and key.',
  },
  'config.environment': {
    title: 'A reference to the environment is refused or empty',
    why: '`envRef` may not read DAPR_*, APP_API_TOKEN or names with spaces; DAPR_ENV_KEYS, when set, lists the allowed names.',
    fix: 'Set the variable, or allow it in DAPR_ENV_KEYS.',
  },
  'config.policy-conflict': {
    title: 'Two policies say different things about the same calls',
    why: 'Both set the same class of policy for the same target and the same match; which one would win could only be guessed.',
    fix: 'Remove one of the two, or give one of them a more special match.',
  },
  'config.unknown-target': {
    title: 'A policy names a target that is not known here',
    why: 'No app of this run or component of the resources has the name; the policy would have no effect.',
    fix: 'Correct the spelling, or ignore the warning when the target comes later.',
  },
  'config.template': {
    title: 'A template cannot be filled',
    why: '{podName} needs the environment variable POD_NAME.',
    fix: 'Set POD_NAME or remove the template.',
  },
} as const satisfies Record<string, ProblemSpec>;

export type ProblemCode = keyof typeof problemCodes;
