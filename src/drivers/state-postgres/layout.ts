import { quotedTable } from '../../clients/postgres/table-name.ts';

/** A format of Dapr's in PostgreSQL: where things stand and how a value is written down. Texts are parts of SQL statements. */
export interface Layout {
  readonly table: string;
  /** Keys of the metadata table. */
  readonly migrationsKey: string;
  readonly cleanupKey: (metadataTable: string) => string;
  /** From an empty database to the format, one script per step; Dapr counts them in the metadata table. */
  readonly migrations: readonly string[];
  readonly expiry: string;
  readonly updated: string;
  /** Columns of a value, and what stands in them for the parameter of type bytea. */
  readonly valueColumns: readonly string[];
  readonly valueOf: (parameter: string) => readonly string[];
  /** Every write sets it anew; absent: the database does by itself. */
  readonly freshEtag?: string;
  /** As bytea. */
  readonly valueRead: string;
  /** As text. */
  readonly etagRead: string;
  readonly etagForm: RegExp;
}

/** Version v2: bytes as they are, and a UUID as etag. */
export function layoutV2(prefix: string): Layout {
  const table = quotedTable(`${prefix}state`);
  return {
    table,
    migrationsKey: `migrations-state-v2-${prefix}`,
    cleanupKey: (metadataTable) => `last-cleanup-state-v2-${metadataTable}`,
    migrations: [
      `create table if not exists ${table} (
        key text not null primary key,
        value bytea not null,
        etag uuid not null default gen_random_uuid(),
        created_at timestamp with time zone not null default now(),
        updated_at timestamp with time zone,
        expires_at timestamp with time zone);
      create index on ${table} (expires_at)`,
    ],
    expiry: 'expires_at',
    updated: 'updated_at',
    valueColumns: ['value'],
    valueOf: (parameter) => [parameter],
    freshEtag: 'gen_random_uuid()',
    valueRead: 't.value',
    etagRead: 't.etag::text',
    etagForm: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  };
}

/**
 * Version v1: JSON, in which bytes are base64, and the number of the row's transaction as etag. Values are written as bytes so that they come back as they were;
 * JSON that Dapr wrote is read too.
 */
export function layoutV1(name: string): Layout {
  const table = quotedTable(name);
  return {
    table,
    migrationsKey: 'migrations',
    cleanupKey: () => 'last-cleanup',
    migrations: [
      `create table if not exists ${table} (
        key text not null primary key,
        value jsonb not null,
        isbinary boolean not null,
        insertdate timestamp with time zone not null default now(),
        updatedate timestamp with time zone null)`,
      `alter table ${table} add if not exists expiredate timestamp with time zone`,
    ],
    expiry: 'expiredate',
    updated: 'updatedate',
    valueColumns: ['value', 'isbinary'],
    valueOf: (parameter) => [`to_jsonb(translate(encode(${parameter}, 'base64'), E'\\n', ''))`, 'true'],
    valueRead: `case when t.isbinary then decode(t.value #>> '{}', 'base64') else convert_to(t.value::text, 'UTF8') end`,
    etagRead: 't.xmin::text',
    etagForm: /^\d{1,10}$/,
  };
}
