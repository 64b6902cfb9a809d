import { describe, expect, it } from 'vitest';
import { driverIndex } from '../../gen/drivers.ts';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import { loadResources } from './load-resources.ts';

const load = async (nameResolution: string) => {
  const text = `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: { name: c }\nspec:\n  nameResolution: ${nameResolution}\n`;
  const disk = createMemoryDisk({ '/c.yaml': text });
  return loadResources({ disk, paths: [], configPaths: ['/c.yaml'], appId: 'a', drivers: driverIndex });
};

describe('the resolver of a Configuration', () => {
  it.each([
    ['mdns', '{ component: mdns }', 'nameresolution.mdns'],
    ['another case', '{ component: mDNS, version: v1 }', 'nameresolution.mdns'],
    ['kubernetes', '{ component: kubernetes, configuration: { clusterDomain: corp } }', 'nameresolution.kubernetes'],
    ['consul', '{ component: consul, configuration: { client: { address: "h:8500" }, selfRegister: true } }', 'nameresolution.consul'],
    ['nameformat', '{ component: nameformat, configuration: { format: "{appid}.corp" } }', 'nameresolution.nameformat'],
    ['a list', '{ component: proa.static, configuration: { apps: { b: ["10.0.0.1:7000"] } } }', 'nameresolution.proa.static'],
    ['DNS', '{ component: proa.dns, configuration: { name: "{appid}.corp", records: address, port: 7000 } }', 'nameresolution.proa.dns'],
    ['etcd', '{ component: proa.etcd, configuration: { username: u, password: { envRef: PASSWORD } } }', 'nameresolution.proa.etcd'],
    ['ZooKeeper', '{ component: proa.zookeeper }', 'nameresolution.proa.zookeeper'],
    ['Nacos', '{ component: proa.nacos, configuration: { ttl: 10s } }', 'nameresolution.proa.nacos'],
  ])('can be %s', async (_name, written, type) => {
    const { problems, nameResolution } = await load(written);
    expect(problems).toEqual([]);
    expect(nameResolution?.type).toBe(type);
  });

  it('is the embedded one when nothing else is named', async () => {
    expect((await load('{ component: proa.engine }')).nameResolution).toBeUndefined();
    expect((await load('null')).nameResolution).toBeUndefined();
  });

  it.each([
    ['sqlite', '{ component: sqlite }', 'config.unknown-type', /sqlite is not supported/],
    ['cloud map', '{ component: aws.cloudmap }', 'config.unknown-type', /not supported/],
    ['a mistake', '{ component: proa.etc }', 'config.unknown-type', /no driver/],
    ['a version', '{ component: mdns, version: v2 }', 'config.unknown-version', /v2/],
    ['an unknown key', '{ component: proa.etcd, configuration: { endpoint: x } }', 'config.unknown-key', /endpoint/],
    ['a wrong value', '{ component: proa.etcd, configuration: { ttl: soon } }', 'config.wrong-value', /duration/],
    ['a missing key', '{ component: nameformat }', 'config.missing-key', /format/],
    ['a text in place of a map', '{ component: mdns, configuration: fast }', 'config.wrong-value', /must be a map/],
  ])('is refused: %s', async (_name, written, code, message) => {
    const { problems, nameResolution } = await load(written);
    expect(nameResolution).toBeUndefined();
    expect(problems.filter(({ severity }) => severity === 'error')).toMatchObject([
      { code, message: expect.stringMatching(message) as string },
    ]);
  });

  it('is no component', async () => {
    const text = 'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: { name: c }\nspec: { type: nameresolution.mdns, version: v1 }\n';
    const { problems } = await loadResources({
      disk: createMemoryDisk({ '/r/c.yaml': text }),
      paths: ['/r'],
      appId: 'a',
      drivers: driverIndex,
    });
    expect(problems).toMatchObject([{ code: 'config.unknown-type', help: expect.stringContaining('spec.nameResolution') as string }]);
  });
});
