import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DataDir, removeAbandoned } from '../../src/embedded/servers/data-dir.ts';
import { identify, isRunning, signal } from '../../src/embedded/servers/process-identity.ts';
import '../helpers/fixtures.ts';
import { spawnNode } from '../helpers/processes.ts';

const parent = mkdtempSync(join(tmpdir(), 'ledgermq-data-'));
afterAll(() => rmSync(parent, { recursive: true, force: true }));

describe('process identity', () => {
  it('knows this process, and knows nobody of a pid that is not there', () => {
    expect(isRunning(identify(process.pid)!)).toBe(true);
    expect(identify(2 ** 22 + 1)).toBeNull();
  });

  it('never signals another process that got the pid', async () => {
    const child = await spawnNode('test/entries/talk.js');
    const identity = identify(child.pid)!;
    expect(signal({ ...identity, startedAt: 'long ago' }, 'SIGKILL')).toBe(false);
    expect(child.hasExited).toBe(false);
    expect(signal(identity, 'SIGKILL')).toBe(true);
    expect(await child.exit).toMatchObject({ signal: 'SIGKILL' });
    expect(isRunning(identity)).toBe(false);
    expect(signal(identity, 'SIGKILL')).toBe(false);
  });
});

describe('DataDir', () => {
  it('has one owner at a time', async () => {
    const path = join(parent, 'owned');
    const first = await DataDir.claim(path);
    await expect(DataDir.claim(path)).rejects.toMatchObject({ code: 'data-dir-in-use' });
    first.release();
    (await DataDir.claim(path)).release();
  });

  it('is taken over from an owner that is gone, and ends what that left running', async () => {
    const path = join(parent, 'left');
    mkdirSync(join(path, 'run'), { recursive: true });
    const left = await spawnNode('test/entries/talk.js');
    await left.waitForLine(({ text }) => text === 'plain text');
    writeFileSync(join(path, 'owner.json'), JSON.stringify({ pid: process.pid, startedAt: 'long ago' }));
    writeFileSync(join(path, 'run', 'redis.json'), JSON.stringify(identify(left.pid)));
    writeFileSync(join(path, 'run', 'torn.json'), '{"pid":');
    const results = await Promise.allSettled([DataDir.claim(path), DataDir.claim(path)]);
    expect(results.map(result => result.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await left.exit).toEqual({ code: 3, signal: null });
    expect(existsSync(join(path, 'run', 'torn.json'))).toBe(false);
  });
});

describe('removeAbandoned', () => {
  it('removes folders whose owner is gone and no others', async () => {
    const folder = (name: string, owner?: object) => {
      const path = join(parent, name);
      mkdirSync(path);
      if (owner) writeFileSync(join(path, 'owner.json'), JSON.stringify(owner));
      return path;
    };
    const gone = { pid: process.pid, startedAt: 'long ago' };
    const abandoned = folder('test-1', gone);
    const kept = [folder('test-2', identify(process.pid)!), folder('test-3'), folder('other', gone)];
    await removeAbandoned(parent, 'test-');
    expect(existsSync(abandoned)).toBe(false);
    expect(kept.map(existsSync)).toEqual([true, true, true]);
  });
});
