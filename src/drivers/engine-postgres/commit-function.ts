import { unquoted } from './schema-name.ts';

/**
 * The function that judges a group, one commit after the other, for schema `s`; format 2. Locks come first, in order of their numbers, and live until the
 * transaction is durable and visible; every later statement has a fresh snapshot (read committed), so it sees all that earlier holders wrote.
 * The answer: the time, then per commit [0, count of versions, count of sequences, versions, sequences] or [1, failed condition].
 *
 * What a group appends to logs is gathered: the head of a log stays in a variable until another log's turn comes, and all entries are written by one statement in
 * the end. With one UPDATE per commit, a hot log's row left a version behind for each, and every further one had to walk past them. The locks are taken by one statement: a
 * set is read in the order that it has.
 */
export function commitFunction2(s: string): string {
  return `
${lockFunction(s)}
create or replace function ${s}.commit_2(
  bytes bytea, kinds int[], key_at int[], key_length int[], data_at int[], data_length int[], numbers bigint[], stripes int[]
) returns bigint[] language plpgsql as $$
declare
  op record; now_ms bigint; answer bigint[]; outcome bigint[]; versions bigint[]; sequences bigint[];
  commit_id bytea; decided boolean; condition int; k bytea; n bigint; deleted boolean;
  current_log bytea; head bigint; log_changed boolean := false;
  entry_logs bytea[] := '{}'; entry_sequences bigint[] := '{}';
  entry_ka int[] := '{}'; entry_kl int[] := '{}'; entry_da int[] := '{}'; entry_dl int[] := '{}';
begin
  perform ${s}.lock_2(stripes);
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
    if op.kind = 10 then
      entry_logs := entry_logs || current_log; entry_sequences := entry_sequences || n;
      entry_ka := entry_ka || op.ka; entry_kl := entry_kl || op.kl; entry_da := entry_da || op.da; entry_dl := entry_dl || op.dl;
      n := n + 1;
      continue;
    end if;
    k := substring(bytes from op.ka + 1 for op.kl);
${judgeCondition(s)}${applyOperation(s)}    end if;
  end loop;
${writeHead(s)}
${writeEntries(s)}
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
        if k = current_log then
          n := head;
        else
          select l.head into n from ${s}.logs l where l.log = k;
        end if;
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
    else
      if current_log is distinct from k then
${writeHead(s)}
        current_log := k;
        select l.head into head from ${s}.logs l where l.log = k;
        head := coalesce(head, 0);
      end if;
      n := head + 1;
      head := head + op.number;
      log_changed := true;
      sequences := sequences || n;
`;
}

/* The lock on the log's stripe is held: nobody else moves its head. */
function writeHead(s: string): string {
  return `  if log_changed then
    insert into ${s}.logs values (current_log, head, 1, 1) on conflict (log) do update set head = excluded.head;
    log_changed := false;
  end if;`;
}

/* Whoever gives a set gives it in order: locks are taken in the order of their numbers. */
function lockFunction(s: string): string {
  return `create or replace function ${s}.lock_2(stripes int[]) returns void language plpgsql as $$
begin
  perform set_config('lock_timeout', '10000', true);
  if current_setting('synchronous_commit') = 'off' then perform set_config('synchronous_commit', 'on', true); end if;
  if stripes is null then
    perform pg_advisory_xact_lock(hashtext('${unquoted(s)}'), -1);
  else
    perform pg_advisory_xact_lock_shared(hashtext('${unquoted(s)}'), -1);
    perform pg_advisory_xact_lock(hashtext('${unquoted(s)}'), stripe) from unnest(stripes) as stripe;
  end if;
end $$;`;
}

/* All entries of the group, by one statement. */
function writeEntries(s: string): string {
  return `  if cardinality(entry_sequences) > 0 then
    insert into ${s}.entries (log, sequence, time_ms, meta, data)
    select e.log, e.sequence, now_ms, case when e.kl > 0 then convert_from(substring(bytes from e.ka + 1 for e.kl), 'UTF8') end,
      substring(bytes from e.da + 1 for e.dl)
    from unnest(entry_logs, entry_sequences, entry_ka, entry_kl, entry_da, entry_dl) as e(log, sequence, ka, kl, da, dl);
  end if;`;
}
