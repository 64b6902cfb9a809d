/**
 * `proa/testing`: certify a driver with the suites that Proa's own drivers pass, on a clock, a disk and a network that a test holds in its hand.
 * The suites register their cases with vitest, which the project brings.
 */
export { defineDriver } from '../contracts/driver.ts';
export type { DriverContext, DriverDefinition, DriverKind, DriverKinds } from '../contracts/driver.ts';
export type { Engine } from '../contracts/engine.ts';
export type { HttpClient } from '../contracts/http-client.ts';
export type { InputBinding, OutputBinding } from '../contracts/binding.ts';
export type { ConfigurationStore } from '../contracts/configuration.ts';
export type { CryptoProvider } from '../contracts/crypto.ts';
export type { LockStore } from '../contracts/lock.ts';
export type { HttpMiddleware } from '../contracts/middleware.ts';
export type { PubSub } from '../contracts/pubsub.ts';
export type { Endpoint, EndpointSet, Registry, Resolver } from '../contracts/resolver.ts';
export type { SecretStore } from '../contracts/secrets.ts';
export type { StateStore } from '../contracts/state.ts';
export * as property from '../kernel/schema.ts';

export { bindingSuite } from './binding-suite.ts';
export type { BindingSuiteOptions, OpenBinding } from './binding-suite.ts';
export { configurationSuite } from './configuration-suite.ts';
export type { ConfigurationRig } from './configuration-suite.ts';
export { cryptoSuite } from './crypto-suite.ts';
export type { CryptoSuiteOptions, SuiteKey } from './crypto-suite.ts';
export { engineSuite } from './engine-suite.ts';
export type { EngineSuiteOptions } from './engine-suite.ts';
export { lockSuite } from './lock-suite.ts';
export type { LockRig, LockSuiteOptions } from './lock-suite.ts';
export { pubSubSuite } from './pubsub-suite.ts';
export type { PubSubSuiteOptions, PubSubUnderTest } from './pubsub-suite.ts';
export { resolverSuite } from './resolver-suite.ts';
export type { ResolverAbility, ResolverRig, ResolverSuiteOptions } from './resolver-suite.ts';
export { secretsSuite } from './secrets-suite.ts';
export type { SecretsSuiteOptions } from './secrets-suite.ts';
export { stateSuite } from './state-suite.ts';
export type { StateSuiteOptions } from './state-suite.ts';

export { checkLinearizable, registerModel } from './linearizability.ts';
export type { Linearizability, Operation, RegisterInput, RegisterOutput, SequentialModel } from './linearizability.ts';

export { recordingLogger, testDriverContext, testPorts } from './driver-context.ts';
export type { TestSurroundings } from './driver-context.ts';
export { createFakeClock } from './fake-clock.ts';
export type { FakeClock } from './fake-clock.ts';
export { createMemoryDisk } from './memory-disk.ts';
export type { MemoryDisk } from './memory-disk.ts';
export { createMemoryDatagrams, createMemoryDns } from './memory-names.ts';
export type { MemoryDatagrams, MemoryDns } from './memory-names.ts';
export { createMemoryNetwork } from './memory-network.ts';
export type { MemoryConnection, MemoryNetwork } from './memory-network.ts';
export * from './workflow.ts';
