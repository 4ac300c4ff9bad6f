/** Why a handler's signal aborts; nothing else ever aborts one. A lost BullMQ lock does not. */
export type AbortReason = 'timeout' | 'cancelled' | 'lost' | 'drain';

/** What `ctx.signal.reason` is. */
export class RunAborted extends Error {
  readonly reason: AbortReason;

  constructor(reason: AbortReason) {
    super(`the run was aborted: ${reason}`);
    this.name = 'RunAborted';
    this.reason = reason;
  }
}
