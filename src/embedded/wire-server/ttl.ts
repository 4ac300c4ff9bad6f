import { asNumber, ORDER } from '../documents/value.ts';
import { keyOf } from '../documents/value-keys.ts';
import { type Collection, docOf, type Index, type Rec } from './collection.ts';
import type { Services } from './server.ts';
import type { Batch, Store } from './store.ts';

/** A real server looks once a minute; a demo should not have to wait that long. */
const INTERVAL_MS = 1000;
/** So many documents at most in one turn as the only writer. */
const MOST_AT_ONCE = 500;

/** Removes documents whose TTL index says so. */
export function startTtl({ store, topology }: Services): NodeJS.Timeout {
  let isRunning = false;
  const look = async () => {
    if (isRunning || !topology.primary) return;
    isRunning = true;
    await removeExpired(store).finally(() => {
      isRunning = false;
    });
  };
  return setInterval(() => void look(), INTERVAL_MS).unref();
}

async function removeExpired(store: Store): Promise<void> {
  for (const collection of store.collections.values())
    for (const index of collection.indexes.values()) {
      if (expired(store, collection, index).length === 0) continue;
      await store.enter();
      const batch: Batch = [];
      // It may have been dropped while this waited for its turn.
      const records = store.collections.get(collection.ns) === collection ? expired(store, collection, index) : [];
      for (const rec of records) store.write(batch, { collection, rec, before: docOf(rec), after: undefined });
      store.frame(batch);
      store.leave();
    }
}

/** Records with a date (the earliest, in an array) that is so long ago; not those a transaction holds. */
function expired(store: Store, collection: Collection, { spec, keys }: Index): Rec[] {
  const seconds = asNumber(spec.get('expireAfterSeconds'));
  if (seconds === undefined) return [];
  const end = `${keyOf(new Date(Date.now() - seconds * 1000))}\xff`;
  const found = new Set<Rec>();
  for (const { key, item: rec } of keys.from(String.fromCharCode(ORDER.date))) {
    if (key > end || found.size === MOST_AT_ONCE) break;
    if (!store.lockOf(collection, rec.idKey)) found.add(rec);
  }
  return [...found];
}
