import { commitFunction2 } from './commit-function.ts';
import { unquoted } from './schema-name.ts';

/**
 * The schema and its functions. `formatVersion` rises when anything in here changes; functions carry a number of their own in their
 * names, so that two versions of Proa can share a database while one replaces the other.
 */
export const formatVersion = 2;

/** One step between two formats. */
export interface Migration {
  readonly version: number;
  /** From the format before it. Statements may come twice: a runtime of the older version may still be at work, and goes on. */
  readonly up: (schema: string) => string;
  /** The way back, which is kept in the database with the step: an older Proa does not know it. Absent: there is none. */
  readonly back?: (schema: string) => string;
}

/** All steps, in order. What the newest code needs must be there after the last one. */
export const migrations: readonly Migration[] = [
  { version: 1, up: firstFormat },
  {
    version: 2,
    // Besides the columns that make it possible to go back: a hot log is written once per group instead of once per commit.
    up: (s) => `
alter table ${s}.format add column if not exists applied_at timestamptz not null default now();
alter table ${s}.format add column if not exists back text;
${commitFunction2(s)}`,
    back: (s) => `
drop function ${s}.commit_2(bytea, int[], int[], int[], int[], int[], bigint[], int[]);
drop function ${s}.lock_2(int[]);
alter table ${s}.format drop column applied_at, drop column back;`,
  },
];

/** Stripes that keys, logs, leases and commit ids hash to; part of the format, because every client must agree. */
export const stripeCount = 1024;

/** A group that would lock more stripes than this locks everything: the server's lock table has about 64 slots per connection. */
export const stripesMax = 48;

/** What an operation of the stream means; the numbers stand in the commit functions too. */
export const opKind = {
  begin: 1,
  ifVersion: 2,
  ifExists: 3,
  ifHead: 4,
  ifLease: 5,
  deleteRange: 6,
  delete: 7,
  put: 8,
  append: 9,
  entry: 10,
  end: 11,
} as const;

/** Every statement makes what is missing. */
function firstFormat(s: string): string {
  return `
create schema if not exists ${s};
create table if not exists ${s}.format (version int primary key);
create table if not exists ${s}.keys (key bytea primary key, value bytea not null, version bigint not null, expires_ms bigint);
create index if not exists keys_expiry on ${s}.keys (expires_ms) where expires_ms is not null;
create table if not exists ${s}.logs (log bytea primary key, head bigint not null, first bigint not null, freed bigint not null);
create table if not exists ${s}.entries (
  log bytea not null, sequence bigint not null, time_ms bigint not null, meta text, data bytea not null, primary key (log, sequence));
create table if not exists ${s}.leases (name bytea primary key, owner bytea not null, epoch bigint not null, expires_ms bigint not null);
create table if not exists ${s}.commits (id bytea primary key, result bigint[] not null, time_ms bigint not null);
create index if not exists commits_time on ${s}.commits (time_ms);
create table if not exists ${s}.clock (reserved_ms bigint not null, floor_ms bigint not null);
create sequence if not exists ${s}.versions;
insert into ${s}.clock select 0, 0 where not exists (select from ${s}.clock);
${clockFunctions(s)}
${commitFunction(s)}
${leaseFunctions(s)}
${trimFunctions(s)}`;
}

/*
 * Time is the database's clock, kept from running backwards by two numbers: `reserved_ms` is ahead of every time that was handed
 * out, moved on at most every 250 ms; a clock found behind it has jumped, and `floor_ms` holds time still until it has caught up.
 */
function clockFunctions(s: string): string {
  return `
create or replace function ${s}.now_1() returns bigint language sql volatile as $$
  select greatest(t.ms, case when t.ms < c.reserved_ms - 250 then c.reserved_ms else c.floor_ms end)
  from ${s}.clock c, (select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as ms) t
$$;
create or replace function ${s}.advance_1() returns bigint language plpgsql as $$
declare
  t bigint := floor(extract(epoch from clock_timestamp()) * 1000)::bigint;
  c ${s}.clock%rowtype;
begin
  select * into c from ${s}.clock;
  if t > c.reserved_ms then
    perform from ${s}.clock for update skip locked;
    if found then update ${s}.clock set reserved_ms = t + 250; end if;
  elsif t < c.reserved_ms - 250 and c.floor_ms < c.reserved_ms then
    perform from ${s}.clock for update skip locked;
    if found then update ${s}.clock set floor_ms = c.reserved_ms; end if;
    c.floor_ms := c.reserved_ms;
  end if;
  return greatest(t, c.floor_ms);
end $$;`;
}

/*
 * Judges a group, one commit after the other. Locks come first, in order of their numbers, and live until the transaction is durable
 * and visible; every later statement has a fresh snapshot (read committed), so it sees all that earlier holders wrote. A group that
 * deletes a range cannot name its keys beforehand: it holds the common lock alone, which all others share.
 * The answer: the time, then per commit [0, count of versions, count of sequences, versions, sequences] or [1, failed condition].
 */
function commitFunction(s: string): string {
  return `
create or replace function ${s}.lock_1(stripes int[]) returns void language plpgsql as $$
declare stripe int;
begin
  perform set_config('lock_timeout', '10000', true);
  if current_setting('synchronous_commit') = 'off' then perform set_config('synchronous_commit', 'on', true); end if;
  if stripes is null then
    perform pg_advisory_xact_lock(hashtext('${unquoted(s)}'), -1);
  else
    perform pg_advisory_xact_lock_shared(hashtext('${unquoted(s)}'), -1);
    foreach stripe in array stripes loop perform pg_advisory_xact_lock(hashtext('${unquoted(s)}'), stripe); end loop;
  end if;
end $$;
create or replace function ${s}.commit_1(
  bytes bytea, kinds int[], key_at int[], key_length int[], data_at int[], data_length int[], numbers bigint[], stripes int[]
) returns bigint[] language plpgsql as $$
declare
  op record; now_ms bigint; answer bigint[]; outcome bigint[]; versions bigint[]; sequences bigint[];
  commit_id bytea; decided boolean; condition int; k bytea; current_log bytea; n bigint; deleted boolean;
begin
  perform ${s}.lock_1(stripes);
  now_ms := ${s}.advance_1();
  answer := array[now_ms];
  for op in
    select u.kind, u.ka, u.kl, u.da, u.dl, u.number
    from unnest(kinds, key_at, key_length, data_at, data_length, numbers) with ordinality as u(kind, ka, kl, da, dl, number, place)
    order by u.place
  loop
    if op.kind = 1 then
      outcome := null; decided := false; condition := 0; versions := '{}'; sequences := '{}'; deleted := false; commit_id := null;
      if op.dl > 0 then
        commit_id := substring(bytes from op.da + 1 for op.dl);
        select c.result into outcome from ${s}.commits c where c.id = commit_id and c.time_ms > now_ms - 600000;
        decided := found;
        if decided then commit_id := null; end if;
      end if;
      continue;
    end if;
    if op.kind = 11 then
      if deleted then perform nextval('${s}.versions'); end if;
      if outcome is null then
        outcome := array[0::bigint, cardinality(versions), cardinality(sequences)] || versions || sequences;
      end if;
      if commit_id is not null then
        insert into ${s}.commits values (commit_id, outcome, now_ms)
        on conflict (id) do update set result = excluded.result, time_ms = excluded.time_ms;
      end if;
      answer := answer || outcome;
      continue;
    end if;
    if decided then continue; end if;
    k := substring(bytes from op.ka + 1 for op.kl);
${judgeCondition(s)}${applyOperation(s)}    end if;
  end loop;
  return answer;
end $$;`;
}

/* The first condition that does not hold decides the commit. */
function judgeCondition(s: string): string {
  return `    if op.kind <= 5 then
      if op.kind = 2 or op.kind = 3 then
        select e.version into n from ${s}.keys e where e.key = k and (e.expires_ms is null or e.expires_ms > now_ms);
        decided := case when op.kind = 3 then n is null else coalesce(n, 0) <> op.number end;
      elsif op.kind = 4 then
        select l.head into n from ${s}.logs l where l.log = k;
        decided := coalesce(n, 0) <> op.number;
      else
        perform from ${s}.leases l where l.name = k and l.epoch = op.number and l.expires_ms > now_ms;
        decided := not found;
      end if;
      if decided then outcome := array[1::bigint, condition]; end if;
      condition := condition + 1;
`;
}

/* Reached only when every condition held. */
function applyOperation(s: string): string {
  return `    elsif op.kind = 6 then
      delete from ${s}.keys e where e.key >= k and e.key < substring(bytes from op.da + 1 for op.dl);
      deleted := true;
    elsif op.kind = 7 then
      delete from ${s}.keys e where e.key = k;
      deleted := true;
    elsif op.kind = 8 then
      n := nextval('${s}.versions');
      insert into ${s}.keys values (k, substring(bytes from op.da + 1 for op.dl), n, nullif(op.number, -1))
      on conflict (key) do update set value = excluded.value, version = excluded.version, expires_ms = excluded.expires_ms;
      versions := versions || n;
    elsif op.kind = 9 then
      current_log := k;
      insert into ${s}.logs as l values (k, op.number, 1, 1)
      on conflict (log) do update set head = l.head + op.number returning l.head - op.number + 1 into n;
      sequences := sequences || n;
    else
      insert into ${s}.entries values (
        current_log, n, now_ms, case when op.kl > 0 then convert_from(k, 'UTF8') end, substring(bytes from op.da + 1 for op.dl));
      n := n + 1;
`;
}

/* A lease's row stays for ever: its epoch must not begin again. */
function leaseFunctions(s: string): string {
  return `
create or replace function ${s}.acquire_1(lease bytea, who bytea, ttl_ms bigint, stripe int)
returns table (now_ms bigint, held boolean, holder bytea, holder_epoch bigint) language plpgsql as $$
declare l ${s}.leases%rowtype;
begin
  perform ${s}.lock_1(array[stripe]);
  now_ms := ${s}.advance_1();
  select * into l from ${s}.leases x where x.name = lease;
  held := true; holder := who;
  if not found then
    holder_epoch := 1;
  elsif l.expires_ms <= now_ms then
    holder_epoch := l.epoch + 1;
  elsif l.owner = who then
    holder_epoch := l.epoch;
  else
    held := false; holder := l.owner; holder_epoch := l.epoch;
    return next; return;
  end if;
  insert into ${s}.leases values (lease, who, holder_epoch, now_ms + ttl_ms)
  on conflict (name) do update set owner = excluded.owner, epoch = excluded.epoch, expires_ms = excluded.expires_ms;
  return next;
end $$;
create or replace function ${s}.renew_1(lease bytea, who bytea, lease_epoch bigint, ttl_ms bigint, stripe int)
returns table (now_ms bigint, held boolean) language plpgsql as $$
begin
  perform ${s}.lock_1(array[stripe]);
  now_ms := ${s}.advance_1();
  update ${s}.leases l set expires_ms = case when ttl_ms > 0 then renew_1.now_ms + ttl_ms else 0 end
  where l.name = lease and l.owner = who and l.epoch = lease_epoch and l.expires_ms > renew_1.now_ms;
  held := found;
  return next;
end $$;`;
}

function trimFunctions(s: string): string {
  return `
create or replace function ${s}.trim_1(wanted bytea, up_to bigint, stripe int) returns void language plpgsql as $$
begin
  perform ${s}.lock_1(array[stripe]);
  update ${s}.logs set first = greatest(first, least(up_to, head) + 1) where log = wanted;
end $$;
create or replace function ${s}.free_1(wanted bytea, rows_max int) returns boolean language plpgsql as $$
declare l ${s}.logs%rowtype; upper_bound bigint;
begin
  select * into l from ${s}.logs where log = wanted for update skip locked;
  if not found or l.freed >= l.first then return false; end if;
  upper_bound := least(l.first, l.freed + rows_max);
  delete from ${s}.entries where log = wanted and sequence >= l.freed and sequence < upper_bound;
  update ${s}.logs set freed = upper_bound where log = wanted;
  return upper_bound < l.first;
end $$;
create or replace function ${s}.purge_1(rows_max int) returns table (now_ms bigint, removed bigint) language plpgsql as $$
begin
  now_ms := ${s}.advance_1();
  with gone as (
    delete from ${s}.keys where key in (
      select key from ${s}.keys where expires_ms <= purge_1.now_ms limit rows_max for update skip locked) returning 1
  ), old as (
    delete from ${s}.commits where id in (
      select id from ${s}.commits where time_ms <= purge_1.now_ms - 600000 limit rows_max for update skip locked) returning 1
  ) select (select count(*) from gone) + (select count(*) from old) into removed;
  return next;
end $$;`;
}
