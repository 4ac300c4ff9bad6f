import { mongo } from 'mongoose';
import { type StoreContext, WRITE_CONCERNS } from './store-context.ts';

interface LeaseDocument {
  _id: string;
  owner: string;
  until: Date;
}

/** One process of the fleet holds a named lease at a time; it ends by itself when its holder vanishes. */
export class LeaderLease {
  readonly #context: StoreContext;
  readonly #leases: mongo.Collection<LeaseDocument>;
  readonly #name: string;
  readonly #leaseMs: number;

  constructor(context: StoreContext, name: string, leaseMs: number) {
    this.#context = context;
    this.#leases = context.db.collection<LeaseDocument>('leases');
    this.#name = name;
    this.#leaseMs = leaseMs;
  }

  /** Takes or renews the lease; false when another process holds it. */
  async hold(): Promise<boolean> {
    const { clock, processId, bounded } = this.#context;
    const now = clock.now();
    try {
      await bounded(
        this.#leases.updateOne(
          { _id: this.#name, $or: [{ owner: processId }, { until: { $lte: now } }] },
          { $set: { owner: processId, until: new Date(now.getTime() + this.#leaseMs) } },
          { upsert: true, writeConcern: WRITE_CONCERNS.majority! },
        ),
        `lease ${this.#name}`,
      );
      return true;
    } catch (error) {
      // Another one holds it: the upsert then meets the existing _id.
      if (error instanceof mongo.MongoServerError && error.code === 11000) return false;
      throw error;
    }
  }

  async release(): Promise<void> {
    const { processId, bounded } = this.#context;
    await bounded(this.#leases.deleteOne({ _id: this.#name, owner: processId }), `lease ${this.#name}`);
  }
}
