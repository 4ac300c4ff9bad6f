import { describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli/run-cli.ts';
import { repositoryDir } from '../helpers/build.ts';
import { spawnNode } from '../helpers/processes.ts';

async function run(args: string[], environment: Record<string, string> = {}) {
  let [out, err] = ['', ''];
  const code = await runCli({
    args,
    environment,
    folder: `${repositoryDir}/test/cli`,
    out: text => {
      out += text;
    },
    err: text => {
      err += text;
    },
  });
  return { code, out, err };
}

describe('ledgermq', () => {
  it('check-config: 0 when fine, 78 with every problem on standard error', async () => {
    const fine = await run(['check-config'], { MONGO_URI: 'mongodb://user:secret@db/app' });
    expect(fine).toEqual({ code: 0, err: '', out: 'The configuration is fine: publisher, NODE_ENV=development\n' });
    const bad = await run(['check-config'], { PORT: 'x', WORKER_MODE: 'y' });
    expect(bad).toMatchObject({ code: 78, out: '' });
    expect(bad.err.match(/^ {2}- /gm)).toHaveLength(3);
  });

  it('wrong usage: 64 and the help on standard error', async () => {
    for (const args of [[], ['fly'], ['check-config', 'now'], ['constructor']]) {
      const { code, out, err } = await run(args);
      expect({ code, out }, args.join(' ')).toEqual({ code: 64, out: '' });
      expect(err).toContain('Usage: ledgermq');
    }
    expect(await run(['help'])).toMatchObject({ code: 0, err: '', out: expect.stringContaining('Usage: ledgermq') });
  });

  it('migrate: 69 when MongoDB cannot be used, 78 when the configuration cannot', async () => {
    const away = await run(['migrate'], { MONGO_URI: 'mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200' });
    expect(away.code).toBe(69);
    expect(away.err).toContain('ECONNREFUSED');
    expect(await run(['migrate'])).toMatchObject({ code: 78 });
  });

  it('is a program with that exit code', async () => {
    const child = await spawnNode('src/cli/main.js', { args: ['check-config'], env: { PORT: 'x' }, cwd: '/' });
    expect(await child.exit).toEqual({ code: 78, signal: null });
    expect(child.stderr).toContain('PORT=x must be a whole number');
  });
});
