// Makes .env.compose, which docker-compose.yml reads, with random keys. A file that is there already is left alone.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FILE = fileURLToPath(new URL('../.env.compose', import.meta.url));

const key = () => randomBytes(24).toString('base64url');
const keys = [
  { name: 'app', key: key(), tenant: 'default', scopes: ['submit', 'read'] },
  { name: 'admin', key: key(), tenant: 'default', scopes: ['submit', 'read', 'operate', 'admin'] },
];

// JSON without blanks and quotes around it: docker compose, its predecessor and `docker run --env-file` all read it alike.
const text = `# Made on first use with random keys; not in git. All variables: docs/configuration.md
#
# app    for programs: submit and read jobs          Authorization: Bearer <key>
# admin  for people: also Bull Board at /ui          HTTP Basic, user "admin", password <key>
API_KEYS=${JSON.stringify(keys)}

# Where email:send delivers to; without it such jobs fail.
# SMTP_URL=smtp://user:password@mail.example.com:587
# SMTP_FROM=Jobs <jobs@example.com>
`;

try {
  writeFileSync(FILE, text, { flag: 'wx', mode: 0o600 });
  process.stdout.write(`Made ${FILE}: the API's keys are in it.\n`);
} catch (error) {
  if (error.code !== 'EEXIST') throw error;
}
