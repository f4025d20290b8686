// Buys a product with a client that is generated from the server's own description.
// usage: client URL
import assert from 'node:assert/strict';
import createClient from 'openapi-fetch';
import type { paths, components } from './schema.js';

type Receipt = components['schemas']['Receipt'];

const [url] = process.argv.slice(2);
assert(url !== undefined, 'usage: client URL');
const api = createClient<paths>({ baseUrl: url });
const word = `ts${Date.now()}`;

const user = await api.POST('/users', { body: { username: word, email: `${word}@example.com` } });
assert(user.data, JSON.stringify(user.error));
const userId: number = user.data.id;
const product = await api.POST('/products', { body: { name: word, price: 30, type: 'consumable', is_active: true, description: '' } });
assert(product.data, JSON.stringify(product.error));
const productId: number = product.data.id;

const deposit = await api.POST('/users/{user_id}/add-funds', {
  params: { path: { user_id: userId }, header: { 'Idempotency-Key': `${word}-funds` } },
  body: { amount: 100 },
});
assert.equal(deposit.data?.balance, 100);

const buy = (quantity: number) => api.POST('/products/{product_id}/purchase', {
  params: { path: { product_id: productId }, header: { 'Idempotency-Key': `${word}-${quantity}` } },
  body: { user_id: userId, quantity, expected_price: 30 },
});
const first = await buy(2);
assert.equal(first.response.status, 201);
const receipt: Receipt | undefined = first.data;
assert.deepEqual(receipt?.item, { product_id: productId, quantity: 2 });
assert.equal(receipt?.balance, 40);
const again = await buy(2);
assert.deepEqual(again.data, first.data);
assert.equal(again.response.headers.get('Idempotent-Replayed'), 'true');

const refused = await buy(3);
assert(refused.error !== undefined);
if (refused.error.code === 'insufficient_funds') {
  // The code tells the type: these two members exist for this code alone.
  assert.deepEqual([refused.error.required, refused.error.available], [90, 40]);
} else {
  assert.fail(`unexpected ${refused.error.code}`);
}

const inventory = await api.GET('/users/{user_id}/inventory', { params: { path: { user_id: userId } } });
assert.equal(inventory.data?.items[0]?.quantity, 2);

// The body is lines, which to the client are one text.
const lines = ['a', 'b'].map((key) => JSON.stringify({ user_id: userId, credits: 5, reason: 'gift', idempotency_key: `${word}-${key}` }));
const upload = await api.POST('/grants/bulk', {
  body: `${lines.join('\n')}\n`,
  bodySerializer: (body) => body,
  headers: { 'Content-Type': 'application/x-ndjson' },
  parseAs: 'text',
});
const answers = (upload.data ?? '').trimEnd().split('\n').map((line) => JSON.parse(line));
assert.deepEqual(answers.at(-1)?.summary, { lines: 2, granted: 2, replayed: 0, failed: 0, omitted: 0, complete: true });

// A change of what was read, and of nothing else.
const read = await api.GET('/products/{product_id}', { params: { path: { product_id: productId } } });
const tag = read.response.headers.get('ETag') ?? '';
const change = (price: number) => api.PATCH('/products/{product_id}', {
  params: { path: { product_id: productId }, header: { 'If-Match': tag } }, body: { price },
});
assert.equal((await change(31)).response.status, 200);
assert.equal((await change(32)).error?.code, 'precondition_failed');
console.log(`user ${userId} bought 2 of product ${productId}`);
