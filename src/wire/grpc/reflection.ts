import { toBinary, type DescFile, type DescMessage, type DescService } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { ServerReflection, type ServerReflectionRequest } from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../../gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { grpcNumber } from '../../kernel/status.ts';
import { implement, type Method, type Handler } from './method.ts';

interface Index {
  readonly services: readonly string[];
  readonly files: ReadonlyMap<string, DescFile>;
  /** Full names of messages, enums, services, methods and fields to the file that defines them. */
  readonly symbols: ReadonlyMap<string, DescFile>;
}

/** Server reflection, v1 and v1alpha, over the given services and everything that they use. Lists itself, too. */
export function reflectionMethods(services: readonly DescService[]): Method[] {
  const index = buildIndex([...services, ServerReflection, ServerReflectionAlpha]);
  const handle: Handler<typeof ServerReflection.method.serverReflectionInfo> = async (requests, _call, out) => {
    const sent = new Set<string>();
    for await (const request of requests)
      await out.write({ validHost: request.host, originalRequest: request, messageResponse: answer(index, request, sent) });
  };
  const methods = implement(ServerReflection, { serverReflectionInfo: handle });
  // Both versions have the same messages under two package names: the bytes are the same.
  return [...methods, ...methods.map((method) => ({ ...method, path: method.path.replace('.v1.', '.v1alpha.') }))];
}

function buildIndex(services: readonly DescService[]): Index {
  const files = new Map<string, DescFile>();
  const symbols = new Map<string, DescFile>();
  for (const service of services) addFile(service.file, files);
  for (const file of files.values()) {
    for (const message of file.messages) addMessage(message, symbols);
    for (const type of file.enums) symbols.set(type.typeName, file);
    for (const service of file.services) {
      symbols.set(service.typeName, file);
      for (const method of service.methods) symbols.set(`${service.typeName}.${method.name}`, file);
    }
  }
  return { services: [...new Set(services.map((service) => service.typeName))].toSorted(), files, symbols };
}

function addFile(file: DescFile, files: Map<string, DescFile>): void {
  if (files.has(file.proto.name)) return;
  files.set(file.proto.name, file);
  for (const dependency of file.dependencies) addFile(dependency, files);
}

function addMessage(message: DescMessage, symbols: Map<string, DescFile>): void {
  symbols.set(message.typeName, message.file);
  for (const field of message.fields) symbols.set(`${message.typeName}.${field.name}`, message.file);
  for (const nested of message.nestedMessages) addMessage(nested, symbols);
  for (const nested of message.nestedEnums) symbols.set(nested.typeName, message.file);
}

function answer(index: Index, request: ServerReflectionRequest, sent: Set<string>) {
  const { messageRequest } = request;
  switch (messageRequest.case) {
    case 'listServices':
      return { case: 'listServicesResponse' as const, value: { service: index.services.map((name) => ({ name })) } };
    case 'fileByFilename':
      return fileAnswer(index.files.get(messageRequest.value), messageRequest.value, sent);
    case 'fileContainingSymbol':
      return fileAnswer(index.symbols.get(messageRequest.value), messageRequest.value, sent);
    case 'allExtensionNumbersOfType':
      return index.symbols.has(messageRequest.value)
        ? { case: 'allExtensionNumbersResponse' as const, value: { baseTypeName: messageRequest.value } }
        : failure('NOT_FOUND', `${messageRequest.value} is not known here`);
    case 'fileContainingExtension':
      return failure('NOT_FOUND', 'there are no extensions here');
    case undefined:
      return failure('INVALID_ARGUMENT', 'the request asks for nothing');
  }
}

// The file with everything that it imports, each once per stream.
function fileAnswer(file: DescFile | undefined, asked: string, sent: Set<string>) {
  if (file === undefined) return failure('NOT_FOUND', `${asked} is not known here`);
  const files = new Map<string, DescFile>();
  addFile(file, files);
  const needed = [...files.values()].filter((one) => one === file || !sent.has(one.proto.name));
  for (const one of needed) sent.add(one.proto.name);
  return {
    case: 'fileDescriptorResponse' as const,
    value: { fileDescriptorProto: needed.map((one) => toBinary(FileDescriptorProtoSchema, one.proto)) },
  };
}

function failure(code: 'NOT_FOUND' | 'INVALID_ARGUMENT', errorMessage: string) {
  return { case: 'errorResponse' as const, value: { errorCode: grpcNumber(code), errorMessage } };
}
