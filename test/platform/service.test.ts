import { describe, expect, it } from 'vitest';
import { type Service, startAll, stopAll } from '../../src/platform/service.ts';

function services(events: string[], failing: Partial<Record<string, 'start' | 'stop'>> = {}): Service[] {
  const act = (name: string, what: 'start' | 'stop') => async () => {
    events.push(`${what} ${name}`);
    if (failing[name] === what) throw new Error(`${name} does not ${what}`);
  };
  return ['a', 'b', 'c'].map(name => ({ start: act(name, 'start'), stop: act(name, 'stop') }));
}

describe('startAll and stopAll', () => {
  it('start in order and stop in reverse', async () => {
    const events: string[] = [];
    const all = services(events);
    await startAll(all);
    await stopAll(all);
    expect(events).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
  });

  it('stop what had started when one fails to start, and pass its error on', async () => {
    const events: string[] = [];
    await expect(startAll(services(events, { c: 'start', b: 'stop' }))).rejects.toThrow('c does not start');
    expect(events).toEqual(['start a', 'start b', 'start c', 'stop b', 'stop a']);
  });

  it('stop the others when one fails to stop', async () => {
    const events: string[] = [];
    await stopAll(services(events, { b: 'stop' }));
    expect(events).toEqual(['stop c', 'stop b', 'stop a']);
  });
});
