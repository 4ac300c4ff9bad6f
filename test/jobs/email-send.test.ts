import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { createJobServices } from '../../src/jobs/services/create-job-services.ts';
import { testConfig } from '../helpers/config.ts';
import { useSmtpSink } from '../helpers/fixtures.ts';
import { promised } from '../helpers/promised.ts';
import { handlerContext, handlerOf } from './handler-context.ts';

const sink = await useSmtpSink();
const config = testConfig(
  { mongo: { uri: 'mongodb://127.0.0.1:1/x' }, redis: { port: 1 } },
  { SMTP_URL: sink.url, SMTP_FROM: 'Shop <shop@example.org>' },
);
const unused = () => {
  throw new Error('not used');
};
const { services, close } = createJobServices({ config, db: unused, redis: unused });
afterAll(close);
afterEach(() => {
  sink.mode = 'accept';
  sink.mails.length = 0;
});

const run = handlerOf('email:send');
const mail = { to: 'ann@example.com', subject: 'Hello ✓', body: 'Dear Ann,\nhello' };

test('hands the mail to the server; its Message-ID is that of the job at every run', async () => {
  const ctx = handlerContext(services);
  const result = await run({ ...mail, cc: ['bob@example.com'], html: '<b>hello</b>' }, ctx);
  const messageId = `<${ctx.jobId}@example.org>`;
  expect(result).toEqual({ sent: true, to: ['ann@example.com', 'bob@example.com'], messageId });
  await run(mail, ctx);
  expect(sink.mails).toHaveLength(2);
  expect(sink.mails[0]).toMatchObject({ from: 'shop@example.org', to: ['ann@example.com', 'bob@example.com'] });
  expect(sink.mails[0]!.raw).toMatch(/^Cc: bob@example.com$/m);
  expect(sink.mails[0]!.raw).toContain('<b>hello</b>');
  for (const { raw } of sink.mails) expect(raw).toContain(`Message-ID: ${messageId}`);
  expect(sink.mails[1]!.raw).toContain('Dear Ann,');
});

test('fills a template; values are escaped in HTML and never read as a template', async () => {
  const template = { text: 'Hi {{ name }} {{n}}', html: '<i title="{{name}}">{{name}}</i>' };
  const context = { name: `<b>"{{n}}"&'`, n: 7 };
  await run({ to: ['ann@example.com'], subject: 's', template, context }, handlerContext(services));
  const raw = sink.mails[0]!.raw.replaceAll('=\r\n', '').replaceAll('=3D', '=');
  expect(raw).toContain(`Hi <b>"{{n}}"&' 7`);
  expect(raw).toContain('&lt;b&gt;&quot;{{n}}&quot;&amp;&#39;</i>');
  await run(
    { to: 'ann@example.com', subject: 's', template: 'welcome', context: { name: 'Ann' } },
    handlerContext(services),
  );
  expect(sink.mails[1]!.raw).toContain('Hello Ann,');
});

describe('a refusal', () => {
  test.each(['permanent', 'refuse-recipient'] as const)('%s (5xx) is for good', async mode => {
    sink.mode = mode;
    await expect(run(mail, handlerContext(services))).rejects.toMatchObject({ name: 'TaskError', retry: false });
  });

  test.each(['temporary', 'drop'] as const)('%s may pass', async mode => {
    sink.mode = mode;
    await expect(run(mail, handlerContext(services))).rejects.toMatchObject({ name: 'TaskError', retry: true });
    sink.mode = 'accept';
    await expect(run(mail, handlerContext(services))).resolves.toMatchObject({ sent: true });
  });

  test('a server that is not there may come back', async () => {
    const away = createJobServices({
      config: { ...config, smtp: { ...config.smtp, url: 'smtp://127.0.0.1:1' } },
      db: unused,
      redis: unused,
    });
    await expect(run(mail, handlerContext(away.services))).rejects.toMatchObject({ retry: true });
    await away.close();
  });

  test('without a configured server the job fails and says what to set', async () => {
    const none = createJobServices({
      config: { ...config, smtp: { ...config.smtp, url: null, host: null } },
      db: unused,
      redis: unused,
    });
    await expect(run(mail, handlerContext(none.services))).rejects.toMatchObject({ message: /SMTP_URL/, retry: false });
  });
});

test('host, port and sender come from the configuration as well', async () => {
  const smtp = { ...config.smtp, url: null, host: '127.0.0.1', port: sink.port };
  const made = createJobServices({ config: { ...config, smtp }, db: unused, redis: unused });
  await run(mail, handlerContext(made.services));
  await made.close();
  expect(sink.mails).toHaveLength(1);
});

test('an abort ends a send that hangs, with the signal’s reason', async () => {
  sink.mode = 'hang';
  const ctx = handlerContext(services);
  const reason = new Error('timeout');
  const sending = run(mail, ctx);
  setTimeout(() => ctx.abort(reason), 100);
  const began = performance.now();
  await expect(sending).rejects.toBe(reason);
  expect(performance.now() - began).toBeLessThan(promised(1_000));
  await expect(run(mail, ctx)).rejects.toBe(reason);
});
