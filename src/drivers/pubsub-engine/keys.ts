import { tuple, type Key } from '../../kernel/tuple.ts';

/** Where one bus keeps its things in the engine. Apps whose components name the same bus (and namespace) share its topics. */
export interface BusKeys {
  readonly topics: Key;
  topic(topic: string): Key;
  /** The engine log that holds a topic's events. */
  log(topic: string): Key;
  /** Prefix of all groups of a topic. */
  groups(topic: string): Key;
  group(topic: string, group: string): Key;
  /** Prefix of a group's lanes. */
  lanes(topic: string, group: string): Key;
  lane(topic: string, group: string, lane: number): Key;
  /** Prefix of a group's members; what changes below it wakes the others. */
  members(topic: string, group: string): Key;
  member(topic: string, group: string, member: string): Key;
  /** Touched when lanes were given up, below `members`. */
  released(topic: string, group: string): Key;
  /** The lease that says that a broker instance lives. */
  lease(broker: string): Key;
  /** The lease of whoever does the bus's housekeeping. */
  housekeeping: Key;
  part(upload: string, index: number): Key;
}

/** The keys of a bus; all begin with `pubsub`, the namespace and the bus's name. */
export function busKeys(namespace: string, bus: string): BusKeys {
  const root = tuple('pubsub', namespace, bus);
  return {
    topics: root + tuple('topic'),
    topic: (topic) => root + tuple('topic', topic),
    log: (topic) => root + tuple('log', topic),
    groups: (topic) => root + tuple('group', topic),
    group: (topic, group) => root + tuple('group', topic, group),
    lanes: (topic, group) => root + tuple('lane', topic, group),
    lane: (topic, group, lane) => root + tuple('lane', topic, group, lane),
    members: (topic, group) => root + tuple('member', topic, group),
    member: (topic, group, member) => root + tuple('member', topic, group, 'm', member),
    released: (topic, group) => root + tuple('member', topic, group, 'released'),
    lease: (broker) => root + tuple('lease', broker),
    housekeeping: root + tuple('housekeeping'),
    part: (upload, index) => root + tuple('part', upload, index),
  };
}
