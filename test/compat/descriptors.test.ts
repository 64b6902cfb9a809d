import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createFileRegistry,
  createRegistry,
  fromBinary,
  type DescEnum,
  type DescFile,
  type DescMessage,
  type DescService,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { beforeAll, describe, expect, it } from 'vitest';
import { file_dapr_proto_common_v1_common } from '../../src/gen/dapr/proto/common/v1/common_pb.ts';
import { file_dapr_proto_internals_v1_service_invocation } from '../../src/gen/dapr/proto/internals/v1/service_invocation_pb.ts';
import { file_dapr_proto_runtime_v1_appcallback } from '../../src/gen/dapr/proto/runtime/v1/appcallback_pb.ts';
import { file_dapr_proto_runtime_v1_dapr } from '../../src/gen/dapr/proto/runtime/v1/dapr_pb.ts';

// The referee: the .proto files that npm `@dapr/dapr` ships, compiled here without our merging.
const root = new URL('../..', import.meta.url).pathname;
const roots = [
  file_dapr_proto_common_v1_common,
  file_dapr_proto_internals_v1_service_invocation,
  file_dapr_proto_runtime_v1_appcallback,
  file_dapr_proto_runtime_v1_dapr,
];

type Facts = Map<string, string>;

function addMessage(facts: Facts, message: DescMessage): void {
  facts.set(message.typeName, 'message');
  for (const { proto, oneof } of message.fields) {
    facts.set(
      `${message.typeName}.${proto.name}`,
      `${proto.number} type ${proto.type} ${proto.typeName} label ${proto.label} optional ${proto.proto3Optional} oneof ${oneof?.name} json ${proto.jsonName}`,
    );
  }
  for (const nested of message.nestedMessages) addMessage(facts, nested);
  for (const nested of message.nestedEnums) addEnum(facts, nested);
}

function addEnum(facts: Facts, type: DescEnum): void {
  for (const value of type.values) facts.set(`${type.typeName}.${value.name}`, String(value.number));
}

function addService(facts: Facts, service: DescService): void {
  for (const method of service.methods)
    facts.set(`${service.typeName}/${method.name}`, `${method.methodKind} ${method.input.typeName} ${method.output.typeName}`);
}

function factsOf(files: Iterable<DescFile>): Facts {
  const facts: Facts = new Map();
  for (const file of files) {
    if (!/^dapr\/proto\/(common|runtime|internals)\/v1\//.test(file.proto.name) || file.proto.name.endsWith('internals/v1/jobs.proto'))
      continue;
    for (const message of file.messages) addMessage(facts, message);
    for (const type of file.enums) addEnum(facts, type);
    for (const service of file.services) addService(facts, service);
  }
  return facts;
}

function withDependencies(file: DescFile, into = new Map<string, DescFile>()): Map<string, DescFile> {
  into.set(file.name, file);
  for (const dependency of file.dependencies) if (!into.has(dependency.name)) withDependencies(dependency, into);
  return into;
}

function compileShipped(): Facts {
  const folder = mkdtempSync(join(tmpdir(), 'proa-descriptors-'));
  try {
    const image = join(folder, 'image.binpb');
    const buf = join(root, 'node_modules/@bufbuild/buf/bin/buf');
    execFileSync(process.execPath, [buf, 'build', join(root, 'node_modules/@dapr/dapr/proto'), '--as-file-descriptor-set', '-o', image], {
      env: { ...process.env, BUF_CACHE_DIR: folder },
    });
    const set = fromBinary(FileDescriptorSetSchema, readFileSync(image));
    return factsOf(createFileRegistry(set).files);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('generated descriptors', () => {
  let shipped: Facts;
  let ours: Facts;
  beforeAll(() => {
    shipped = compileShipped();
    const files = new Map<string, DescFile>();
    for (const file of roots) withDependencies(file, files);
    ours = factsOf(files.values());
  });

  it('hold every message, field, enum value and rpc that @dapr/dapr ships, unchanged', () => {
    expect(shipped.size).toBeGreaterThan(600);
    const differences = [...shipped].filter(([name, fact]) => ours.get(name) !== fact).map(([name]) => name);
    // Dapr 1.18 made it optional; the wire format is the same.
    expect(differences).toEqual(['dapr.proto.runtime.v1.Job.data']);
    expect(ours.get('dapr.proto.runtime.v1.Job.data')).toBe(
      shipped.get('dapr.proto.runtime.v1.Job.data')?.replace('optional false', 'optional true'),
    );
  });

  it('add what newer releases have, and nothing else', () => {
    const added = [...ours.keys()].filter((name) => !shipped.has(name)).map((name) => name.replace('dapr.proto.runtime.v1.', ''));
    const rpcs = added.filter((name) => name.includes('/'));
    expect(rpcs.toSorted()).toEqual([
      'AppCallback/OnJobEvent',
      'Dapr/DeleteJob',
      'Dapr/DeleteJobsByPrefix',
      'Dapr/GetJob',
      'Dapr/ListJobs',
      'Dapr/ScheduleJob',
      'Dapr/SubscribeActorEventsAlpha1',
    ]);
    const fieldsOfShippedMessages = added.filter(
      (name) => name.includes('.') && shipped.has(`dapr.proto.runtime.v1.${name.split('.')[0]}`),
    );
    expect(fieldsOfShippedMessages.toSorted()).toEqual([
      'GetMetadataResponse.mcp_servers',
      'GetMetadataResponse.resiliencies',
      'GetMetadataResponse.workflow_access_policies',
      'GetWorkflowRequest.app_id',
      'PauseWorkflowRequest.app_id',
      'PurgeWorkflowRequest.app_id',
      'RaiseEventWorkflowRequest.app_id',
      'ResumeWorkflowRequest.app_id',
      'StartWorkflowRequest.app_id',
      'TerminateWorkflowRequest.app_id',
    ]);
  });

  it('can be looked up by name in one registry', () => {
    const registry = createRegistry(...new Set(roots.flatMap((file) => [...withDependencies(file).values()])));
    expect(registry.getService('dapr.proto.runtime.v1.Dapr')?.methods.length).toBeGreaterThan(60);
    expect(registry.getMessage('dapr.proto.runtime.v1.SubscribeActorEventsRequestInitialAlpha1')?.fields.length).toBe(6);
  });
});
