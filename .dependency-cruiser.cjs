/** Who may import whom: the table of ARCHITECTURE.md, section 5, as rules. `test/package/layers.test.ts` plants a violation. */
const to = (...folders) => `^src/(${folders.join('|')})/`;
function only(name, from, allowed, comment) {
  return { name, comment, severity: 'error', from: { path: from, pathNot: '\\.test\\.ts$' }, to: { path: '^src/', pathNot: allowed } };
}
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    only('kernel-alone', to('kernel'), ['^src/kernel/'], 'kernel imports nothing of ours'),
    { name: 'kernel-no-io', severity: 'error', from: { path: to('kernel', 'contracts', 'filters', 'blocks', 'mesh', 'telemetry'), pathNot: '\\.test\\.ts$' }, to: { dependencyTypes: ['core'], path: '^(node:)?(net|tls|http|https|http2|fs|fs/promises|child_process|dns|worker_threads|timers)$' } },
    only('ports-node', '^src/ports/node/', ['^src/(kernel|ports)/'], 'ports/node imports kernel'),
    only('contracts', to('contracts'), ['^src/(kernel|contracts)/'], 'contracts import kernel'),
    only('filters', to('filters'), ['^src/(kernel|contracts)/', '^src/filters/'], 'filters import kernel and contracts'),
    { name: 'filters-apart', severity: 'error', from: { path: '^src/filters/([^/]+)/' }, to: { path: '^src/filters/', pathNot: '^src/filters/$1/' } },
    only('blocks', to('blocks'), ['^src/(kernel|contracts|blocks)/'], 'blocks know contracts, never vendors or transports'),
    { name: 'blocks-apart', comment: 'another block only through its index', severity: 'error', from: { path: '^src/blocks/([^/]+)/' }, to: { path: '^src/blocks/', pathNot: ['^src/blocks/$1/', '^src/blocks/[^/]+/index\\.ts$'] } },
    only('clients', to('clients'), ['^src/(kernel|contracts|clients)/'], 'clients import kernel and contracts'),
    { name: 'clients-apart', severity: 'error', from: { path: '^src/clients/([^/]+)/' }, to: { path: '^src/clients/', pathNot: '^src/clients/$1/' } },
    only('drivers', to('drivers'), ['^src/(kernel|contracts|clients|drivers|wire|gen)/'], 'drivers import kernel, contracts, clients, wire, generated code'),
    { name: 'drivers-apart', severity: 'error', from: { path: '^src/drivers/([^/]+)/', pathNot: '\\.test\\.ts$' }, to: { path: '^src/drivers/', pathNot: '^src/drivers/$1/' } },
    only('wire', to('wire'), ['^src/(kernel|ports|wire|gen)/'], 'wire imports kernel and ports'),
    only('mesh', to('mesh'), ['^src/(kernel|contracts|filters|wire|mesh)/'], 'mesh imports kernel, contracts, filters, wire'),
    only('telemetry', to('telemetry'), ['^src/(kernel|contracts|wire|telemetry)/'], 'telemetry imports kernel, contracts, wire'),
    only('fronts', '^src/fronts/(http|grpc|app)/', ['^src/(kernel|wire|gen|fronts)/', '^src/blocks/[^/]+/index\\.ts$'], 'fronts translate'),
    only('front-admin', '^src/fronts/admin/', ['^src/(kernel|wire|gen|fronts|contracts|telemetry|mesh)/', '^src/blocks/[^/]+/index\\.ts$'], 'the admin front sees more'),
    only('sdk', to('sdk'), ['^src/(kernel|sdk|wire|gen)/', '^src/blocks/[^/]+/index\\.ts$', '^src/contracts/workflow\\.ts$'], 'the SDK; it is a worker of the workflow contract'),
    { name: 'host-is-the-root', comment: 'only cli, the root index and the simulator import host', severity: 'error', from: { path: '^src/', pathNot: ['^src/(host|cli)/', '^src/(index|sdk)\\.ts$', '^src/testing/simulator', '\\.test\\.ts$'] }, to: { path: '^src/host/' } },
    only('cli', to('cli'), ['^src/(kernel|host|sdk|wire|cli|ports)/'], 'cli imports host, sdk, wire'),
    only('testing', '^src/testing/(?!simulator|workflow(?:/|\\.ts$))', ['^src/(kernel|contracts|testing)/'], 'testing imports kernel and contracts'),
    only('testing-workflow', '^src/testing/workflow(?:/|\\.ts$)', ['^src/(kernel|contracts|testing)/', '^src/sdk/workflow/'], 'the kit runs the worker of the SDK'),
    { name: 'testing-not-shipped-inside', severity: 'error', from: { path: '^src/', pathNot: ['^src/testing/', '\\.test\\.ts$'] }, to: { path: '^src/testing/' } },
  ],
  options: {
    doNotFollow: { path: ['node_modules', '^src/gen'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'], extensions: ['.ts', '.js'] },
  },
};
