// Runs a program of docs/API.md as it is written there, against a server that may send webhooks to this machine.
// usage: node check_programs.mjs PROGRAM URL FOLDER [WRITTEN CHANGED]
// PROGRAM is receiver.ts, receiver.py or follower.py: the first line of its block. It is put into FOLDER, which must be
// empty, and where WRITTEN is given, it is changed first: the check must fail then. Prints what was looked at; exits
// with 1 when the program does something wrong, with 2 when it cannot be tried.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';

const [name, url, folder, written, changed] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const word = `program-${process.pid}-${Date.now()}`;
const running = new Set();
let keys = 0;

function extract() {
  const reference = readFileSync(join(here, '../../docs/API.md'), 'utf8');
  const all = [...reference.matchAll(/^```(?:ts|python)\n((?:\/\/|#) (\S+)\n.*?)^```$/gms)];
  const blocks = all.filter((block) => block[2] === name);
  if (blocks.length !== 1) throw new Error(`docs/API.md has ${blocks.length} programs ${name}`);
  const text = blocks[0][1];
  if (written !== undefined && !text.includes(written)) throw new Error(`${name} has no ${written}`);
  writeFileSync(join(folder, name), written === undefined ? text : text.replaceAll(written, changed));
  if (!name.endsWith('.ts')) return ['python3', '-B', name];
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n');
  const { compilerOptions } = JSON.parse(readFileSync(join(here, 'tsconfig.json'), 'utf8'));
  compilerOptions.rootDir = '.';
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  const compiled = spawnSync(join(here, 'node_modules/.bin/tsc'), ['--project', folder], { encoding: 'utf8' });
  if (compiled.status !== 0) throw new Error(compiled.stdout + compiled.stderr);
  return [process.execPath, name.replace('.ts', '.js')];
}

// A program with the lines that it has printed.
function start(command, environment) {
  const child = spawn(command[0], command.slice(1), {
    cwd: folder, env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'],
  });
  const program = { child, lines: [], errors: '' };
  child.stderr.on('data', (text) => { program.errors += text; });
  createInterface({ input: child.stdout }).on('line', (line) => program.lines.push(line));
  program.ended = new Promise((done) => { child.on('close', done); });
  running.add(program);
  return program;
}
async function kill(program) {
  program.child.kill('SIGKILL');
  await program.ended;
  running.delete(program);
}

async function eventually(what, holds) {
  for (const end = Date.now() + 15_000; Date.now() < end; await sleep(50)) {
    if (await holds()) return;
  }
  assert.fail(`not in time: ${what()}`);
}
const told = (program, expected) =>
  eventually(() => `${JSON.stringify(program.lines)} of ${JSON.stringify(expected)}\n${program.errors}`,
    () => program.lines.length >= expected.length);

async function ask(method, path, body, headers = {}) {
  const reply = await fetch(url + path, {
    method, headers: { 'Idempotency-Key': `${word}-${++keys}`, 'Content-Type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text}`);
  return JSON.parse(text);
}
const read = async (path) => (await fetch(url + path)).json();

// What the feed has behind a cursor, as the programs print it.
async function feed(after) {
  const lines = [];
  for (let items; items === undefined || items.length > 0;) {
    const page = await read(`/events?limit=1000&after=${after}`);
    items = page.items;
    lines.push(...items.map((event) => `${event.id} ${event.type}`));
    after = page.next_cursor;
  }
  return lines;
}
const of = (user, lines) => lines.filter((line) => line.startsWith(`${user}-`));

// Each user deposits and buys; all users at the same time.
async function trade(users, product, purchases) {
  await Promise.all(users.map(async (user) => {
    await ask('POST', `/users/${user}/add-funds`, { amount: 10 * purchases });
    for (let i = 0; i < purchases; ++i) await ask('POST', `/products/${product}/purchase`, { user_id: user });
  }));
}
async function makeUsers(count) {
  const users = [];
  for (let i = 0; i < count; ++i) {
    const called = `p${process.pid}u${Date.now() % 1e9}n${i}`;
    users.push((await ask('POST', '/users', { username: called, email: `${called}@example.com` })).id);
  }
  return users;
}
const makeProduct = async () => (await ask('POST', '/products', { name: word, price: 10, type: 'consumable' })).id;

// Every event of the feed, once, and each user's in the order of the feed.
function compare(lines, expected, users) {
  assert.deepEqual([...lines].sort(), [...expected].sort());
  for (const user of users) {
    assert(of(user, expected).length > 5);
    assert.deepEqual(of(user, lines), of(user, expected));
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((done) => { server.listen(0, '127.0.0.1', done); });
  const { port } = server.address();
  await new Promise((done) => { server.close(done); });
  return port;
}
async function startReceiver(command, port, secret) {
  const program = start(command, { PORT: String(port), WEBHOOK_SECRET: secret });
  await eventually(() => `${name} listens\n${program.errors}`, () => new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => { socket.destroy(); done(true); });
    socket.on('error', () => done(false));
  }));
  return program;
}

async function checkReceiver(command) {
  const port = await freePort();
  const { next_cursor: begin } = await read('/events?after=latest');
  const hook = await ask('POST', '/webhooks', { url: `http://127.0.0.1:${port}/hook`, description: word });
  try {
    let program = await startReceiver(command, port, hook.secret);
    const product = await makeProduct();
    const users = await makeUsers(4);
    await trade(users, product, 5);
    const expected = await feed(begin);
    await told(program, expected);
    compare(program.lines, expected, users);

    // By hand: what is forged, old or changed is refused, and what comes again is accepted without a line.
    const right = new Webhook(hook.secret);
    const other = new Webhook(`whsec_${Buffer.alloc(32, 7).toString('base64')}`);
    const event = (id) => JSON.stringify({ id, type: 'purchase.completed', data: {} });
    const send = async (id, { signer = right, at = new Date(), body = event(id), sent = body, without } = {}) => {
      const headers = {
        'webhook-id': id, 'webhook-timestamp': String(Math.floor(at / 1000)),
        'webhook-signature': signer.sign(id, at, body),
      };
      delete headers[without];
      return (await fetch(`http://127.0.0.1:${port}/hook`, { method: 'POST', headers, body: sent })).status;
    };
    const refused = async (what, how) => {
      const status = await send('forged-1', how);
      assert(status >= 400 && status < 500, `${what}: ${status}`);
    };
    await refused('another secret', { signer: other });
    await refused('a changed body', { sent: event('forged-2') });
    await refused('too old', { at: new Date(Date.now() - 600_000) });
    await refused('too new', { at: new Date(Date.now() + 600_000) });
    for (const header of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
      await refused(`no ${header}`, { without: header });
    }
    const known = expected.at(-1).split(' ')[0];
    assert.equal(await send(known), 204);
    assert.equal(await send('fresh-1'), 204);
    assert.equal(await send('fresh-1'), 204);
    expected.push('fresh-1 purchase.completed');
    await told(program, expected);
    compare(program.lines, expected, users);

    // A test of the server's is an event like others.
    const tested = await ask('POST', `/webhooks/${hook.id}/test`);
    assert.deepEqual([tested.is_accepted, tested.status], [true, 204]);
    await told(program, [...expected, 'the test']);
    assert.match(program.lines.pop(), /^test-\S+ webhook\.test$/);

    // The old secret goes on behind a rotation, and the new one is as good.
    const cursor = (await read('/events?after=latest')).next_cursor;
    const rotated = await ask('POST', `/webhooks/${hook.id}/rotate-secret`);
    assert.notEqual(rotated.secret, hook.secret);
    assert.equal((await ask('POST', `/webhooks/${hook.id}/test`)).is_accepted, true);
    await told(program, [...expected, 'the test']);
    program.lines.pop();
    await sleep(1500); // the relay has heard of the rotation then
    await trade(users, product, 2);
    expected.push(...await feed(cursor));
    await told(program, expected);
    await sleep(300); // for what is too much
    compare(program.lines, expected, users);
    assert.deepEqual((await read(`/webhooks/${hook.id}/deliveries`)).items, []);
    const count = program.lines.length;
    await kill(program);
    program = await startReceiver(command, port, rotated.secret);
    assert.equal((await ask('POST', `/webhooks/${hook.id}/test`)).is_accepted, true);
    return count;
  } finally {
    await ask('DELETE', `/webhooks/${hook.id}`);
  }
}

async function checkFollower(command) {
  const place = join(folder, 'place.cursor');
  const begin = (await read('/events?after=latest')).next_cursor;
  writeFileSync(place, begin);
  const product = await makeProduct();
  const users = await makeUsers(3);
  const lines = [];
  for (let round = 0; round < 3; ++round) {
    const program = start(command, { SERVER_URL: url, CURSOR_FILE: place });
    await trade(users, product, 4);
    const expected = (await feed(begin)).slice(lines.length);
    await told(program, expected);
    // The cursor is kept behind the lines.
    await eventually(() => 'the cursor is kept', async () => (await feed(readFileSync(place, 'utf8'))).length === 0);
    await kill(program);
    lines.push(...program.lines);
  }
  compare(lines, await feed(begin), users);
  // One without a cursor begins with the oldest event, one with a wrong cursor ends.
  rmSync(place);
  const first = (await read('/events?limit=1')).items[0];
  const fresh = start(command, { SERVER_URL: url, CURSOR_FILE: place });
  await told(fresh, lines);
  await kill(fresh);
  assert.equal(fresh.lines[0], `${first.id} ${first.type}`);
  writeFileSync(place, 'nonsense');
  const lost = start(command, { SERVER_URL: url, CURSOR_FILE: place });
  assert.equal(await lost.ended, 1);
  assert.match(lost.errors, /invalid_cursor/);
  return lines.length;
}

let status = 0;
try {
  const command = extract();
  const count = await (name.startsWith('receiver') ? checkReceiver : checkFollower)(command);
  console.log(`${name} printed ${count} events`);
} catch (error) {
  console.log(error instanceof assert.AssertionError ? error.message : error);
  status = error instanceof assert.AssertionError ? 1 : 2;
}
for (const program of running) await kill(program);
process.exit(status);
