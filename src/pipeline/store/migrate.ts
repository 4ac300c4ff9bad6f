import type { mongo } from 'mongoose';
import { LedgerError } from '../../platform/errors.ts';
import { JOB_STATUSES } from './job-document.ts';
import { LeaderLease } from './leader-lease.ts';
import type { StoreContext } from './store-context.ts';

/**
 * Indexes of `jobs` (sizes: claim cost stays flat with 10 M finished jobs). Never one that begins with `status` over all
 * documents; never `$in` in a partial filter.
 */
export const JOB_INDEXES: readonly mongo.IndexDescription[] = [
  {
    name: 'claim',
    key: { status: 1, queue: 1, priority: -1, runAt: 1, _id: 1 },
    partialFilterExpression: { status: 'pending' },
  },
  { name: 'due', key: { queue: 1, runAt: 1 }, partialFilterExpression: { status: 'pending' } },
  { name: 'expiry', key: { startBy: 1 }, partialFilterExpression: { startBy: { $exists: true } } },
  { name: 'lease', key: { status: 1, beatAt: 1, _id: 1 }, partialFilterExpression: { beatAt: { $exists: true } } },
  {
    name: 'idem',
    key: { tenant: 1, 'idempotency.key': 1 },
    unique: true,
    partialFilterExpression: { 'idempotency.key': { $exists: true } },
  },
  {
    name: 'finished',
    key: { tenant: 1, status: 1, finishedAt: -1, _id: -1 },
    partialFilterExpression: { finishedAt: { $exists: true } },
  },
  { name: 'list', key: { tenant: 1, _id: -1 } },
  { name: 'list-by-type', key: { tenant: 1, type: 1, _id: -1 } },
  { name: 'delivery', key: { 'deliveries.nextAt': 1 }, partialFilterExpression: { 'deliveries.state': 'due' } },
  { name: 'ttl', key: { expireAt: 1 }, expireAfterSeconds: 0 },
];

/** Refuses malformed documents, whoever inserts them: the document's contract is public. */
const JOB_VALIDATOR = {
  $jsonSchema: {
    bsonType: 'object',
    required: ['type', 'queue', 'status', 'runAt', 'priority', 'tenant', 'payload'],
    properties: {
      // Ids travel through the engine as 24 hexadecimal digits; another kind would stop its lane.
      _id: { bsonType: 'objectId' },
      type: { bsonType: 'string' },
      queue: { bsonType: 'string' },
      tenant: { bsonType: 'string' },
      status: { enum: [...JOB_STATUSES] },
      runAt: { bsonType: 'date' },
      startBy: { bsonType: 'date' },
      priority: { bsonType: ['int', 'long', 'double'] },
      version: { bsonType: ['int', 'long', 'double'] },
      maxRetries: { bsonType: ['int', 'long', 'double'] },
      timeoutMs: { bsonType: ['int', 'long', 'double'] },
      retry: { bsonType: 'object' },
      history: { bsonType: 'array' },
      errors: { bsonType: 'array' },
    },
  },
};

const MIGRATION_LEASE_MS = 30_000;
const MIGRATION_PATIENCE_MS = 60_000;

/** Brings collections, validator and indexes into their shape; safe to repeat, one process at a time. */
export async function migrate(context: StoreContext): Promise<void> {
  const lease = new LeaderLease(context, 'migrate', MIGRATION_LEASE_MS);
  const giveUpAt = performance.now() + MIGRATION_PATIENCE_MS;
  while (!(await lease.hold())) {
    if (performance.now() > giveUpAt) {
      throw new LedgerError(
        'migration-locked',
        'another process has been migrating for a minute: look at the collection `leases`',
      );
    }
    await new Promise(resolve => setTimeout(resolve, 200));
  }
  try {
    await ensureCollection(context.db);
    await context.jobs.createIndexes([...JOB_INDEXES]);
  } finally {
    await lease.release();
  }
}

async function ensureCollection(db: mongo.Db): Promise<void> {
  const [existing] = await db.listCollections({ name: 'jobs' }).toArray();
  const validation = { validator: JOB_VALIDATOR, validationLevel: 'strict', validationAction: 'error' };
  if (!existing) await db.createCollection('jobs', validation);
  else if (!sameValidator(existing)) await db.command({ collMod: 'jobs', ...validation });
}

function sameValidator(info: object): boolean {
  const options = 'options' in info ? (info.options as { validator?: unknown } | undefined) : undefined;
  return JSON.stringify(options?.validator) === JSON.stringify(JOB_VALIDATOR);
}
