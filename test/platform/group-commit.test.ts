import { describe, expect, it } from 'vitest';
import { GroupCommit } from '../../src/platform/group-commit.ts';
import { waitFor } from '../helpers/wait-for.ts';

/** Writes that end when the test says so. */
class ManualWriter {
  readonly groups: number[][] = [];
  concurrent = 0;
  mostConcurrent = 0;
  readonly #settle: ((error?: Error) => void)[] = [];

  readonly write = (items: number[]): Promise<string[]> => {
    this.groups.push(items);
    this.concurrent += 1;
    this.mostConcurrent = Math.max(this.mostConcurrent, this.concurrent);
    return new Promise((resolve, reject) => {
      this.#settle.push(error => {
        this.concurrent -= 1;
        if (error) reject(error);
        else resolve(items.map(item => `wrote ${item}`));
      });
    });
  };

  async groupsBegun(count: number): Promise<void> {
    await waitFor(() => this.groups.length >= count, { what: `${count} groups` });
  }

  finish(group: number, error?: Error): void {
    this.#settle[group]?.(error);
  }
}

describe('GroupCommit', () => {
  it('writes what is submitted side by side as one group, at once', async () => {
    const writer = new ManualWriter();
    const commit = new GroupCommit({ maxGroup: 100, write: writer.write });
    const results = Promise.all([1, 2, 3].map(item => commit.submit(item)));
    await writer.groupsBegun(1);
    expect(writer.groups).toEqual([[1, 2, 3]]);
    writer.finish(0);
    expect(await results).toEqual(['wrote 1', 'wrote 2', 'wrote 3']);
  });

  it('collects what arrives during a write for the next, never two writes at a time, never more than maxGroup', async () => {
    const writer = new ManualWriter();
    const commit = new GroupCommit({ maxGroup: 2, write: writer.write });
    const first = commit.submit(1);
    await writer.groupsBegun(1);
    const rest = Promise.all([2, 3, 4].map(item => commit.submit(item)));
    expect(writer.groups).toEqual([[1]]);
    writer.finish(0);
    expect(await first).toBe('wrote 1');
    await writer.groupsBegun(2);
    writer.finish(1);
    await writer.groupsBegun(3);
    writer.finish(2);
    expect(await rest).toEqual(['wrote 2', 'wrote 3', 'wrote 4']);
    expect(writer.groups).toEqual([[1], [2, 3], [4]]);
    expect(writer.mostConcurrent).toBe(1);
  });

  it('rejects the members of a failed group alone, and goes on', async () => {
    const writer = new ManualWriter();
    const commit = new GroupCommit({ maxGroup: 1, write: writer.write });
    const failed = expect(commit.submit(1)).rejects.toThrow('no primary');
    const second = commit.submit(2);
    await writer.groupsBegun(1);
    writer.finish(0, new Error('no primary'));
    await failed;
    await writer.groupsBegun(2);
    writer.finish(1);
    expect(await second).toBe('wrote 2');
  });

  it('rejects the group when write itself throws, and when it answers too few results', async () => {
    let answer: () => Promise<string[]> = () => {
      throw new TypeError('not a promise');
    };
    const commit = new GroupCommit<number, string>({ maxGroup: 10, write: () => answer() });
    await expect(commit.submit(1)).rejects.toThrow('not a promise');
    answer = () => Promise.resolve([]);
    await expect(commit.submit(2)).rejects.toThrow('1 items, 0 results');
  });

  it('idle waits for everything, also for what is submitted meanwhile', async () => {
    const writer = new ManualWriter();
    const commit = new GroupCommit({ maxGroup: 10, write: writer.write });
    await commit.idle();
    void commit.submit(1);
    let isIdle = false;
    const idle = commit.idle().then(() => {
      isIdle = true;
    });
    await writer.groupsBegun(1);
    void commit.submit(2);
    writer.finish(0);
    await writer.groupsBegun(2);
    expect(isIdle).toBe(false);
    writer.finish(1);
    await idle;
  });
});
