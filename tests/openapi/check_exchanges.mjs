// Validates recorded exchanges against the server's own OpenAPI document.
// usage: node check_exchanges.mjs DOCUMENT EXCHANGES
// EXCHANGES has one JSON object per line, see tests/support/exchange_log.hpp. A request must be valid when the server
// took it for valid; every answer must be documented: its status, its headers, its media type and each member of its
// body. Prints what is not, and how much was looked at.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const [documentFile, exchangesFile] = process.argv.slice(2);
const document = JSON.parse(readFileSync(documentFile, 'utf8'));
const ajv = new Ajv2020({ strict: false, allErrors: false, validateFormats: true });
addFormats(ajv);
ajv.addFormat('int64', { type: 'number', validate: Number.isSafeInteger });
ajv.addSchema(document, 'document');

const resolve = (node) =>
  node?.$ref === undefined ? node : resolve(node.$ref.slice(2).split('/').reduce((at, name) => at[name], document));
const validators = new Map();
function validate(schema, value) {
  if (!validators.has(schema)) {
    validators.set(schema, ajv.compile(absolute(schema)));
  }
  const check = validators.get(schema);
  return check(value) ? null : ajv.errorsText(check.errors);
}
// References inside a schema are relative to the document.
function absolute(node) {
  if (Array.isArray(node)) return node.map(absolute);
  if (node === null || typeof node !== 'object') return node;
  return Object.fromEntries(
    Object.entries(node)
      .filter(([name]) => name !== 'discriminator')
      .map(([name, inner]) => [name, name === '$ref' ? `document${inner}` : absolute(inner)]));
}

const isParameter = (segment) => segment.startsWith('{');
const routes = Object.entries(document.paths).map(([path, item]) => ({ segments: path.split('/'), item }))
  // A literal path is closer than one with parameters.
  .sort((a, b) => a.segments.filter(isParameter).length - b.segments.filter(isParameter).length);

const ndjson = 'application/x-ndjson';
const bytes = (text) => Buffer.from(text, 'latin1');
const findHeader = (headers, name) => headers.find(([n]) => n.toLowerCase() === name.toLowerCase())?.[1];
// Headers that belong to HTTP itself and not to an operation.
const ownHeaders = new Set(['date', 'content-length', 'content-type', 'connection', 'transfer-encoding']);

// What is said to browsers, not to pages: it does not depend on the operation.
const isForBrowsers = (name, value) => /^access-control-/i.test(name) || (/^vary$/i.test(name) && value === 'Origin');

function typed(schema, text) {
  const type = [resolve(schema).type].flat()[0];
  if (type === 'integer') return /^-?\d+$/.test(text) ? Number(text) : text;
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  return text;
}

// Segments are decoded after they have been told apart: an encoded slash is part of one.
function routeOf(method, path) {
  let given;
  try {
    given = path.replace(/^\/v1(?=\/)/, '').split('/').map(decodeURIComponent);
  } catch {
    return null;
  }
  const fits = ({ segments }) => segments.length === given.length &&
    segments.every((segment, i) => (isParameter(segment) ? given[i] !== '' : given[i] === segment));
  const route = routes.find(fits);
  if (route === undefined) return null;
  const values = Object.fromEntries(
    route.segments.flatMap((segment, i) => (isParameter(segment) ? [[segment.slice(1, -1), given[i]]] : [])));
  return { operation: route.item[(method === 'HEAD' && !route.item.head ? 'GET' : method).toLowerCase()], values };
}

function requestProblems(exchange, { operation, values }, query) {
  const problems = [];
  const parameters = (operation.parameters ?? []).map(resolve);
  for (const p of parameters) {
    // An empty query parameter is one that was not given.
    const given = { path: () => values[p.name], query: () => query.get(p.name) || undefined, header: () => findHeader(exchange.request_headers, p.name) }[p.in]() ?? undefined;
    if (given === undefined) {
      if (p.required) problems.push(`${p.in} parameter ${p.name} is missing`);
      continue;
    }
    const wrong = validate(p.schema, typed(p.schema, given));
    if (wrong) problems.push(`${p.in} parameter ${p.name}: ${wrong}`);
  }
  for (const name of query.keys()) {
    if (!parameters.some((p) => p.in === 'query' && p.name === name)) problems.push(`query parameter ${name} is not documented`);
  }
  if (operation.requestBody) {
    const type = (findHeader(exchange.request_headers, 'content-type') ?? '').split(';')[0].trim().toLowerCase();
    const content = resolve(operation.requestBody).content[type];
    if (!content) problems.push(`request body of type ${type} is not documented`);
    else if (type === ndjson) {
      // The lines of an upload are accepted or refused one by one.
    } else if (/json$/.test(type)) {
      const wrong = validate(content.schema, JSON.parse(bytes(exchange.request_body).toString('utf8')));
      if (wrong) problems.push(`request body: ${wrong}`);
    }
  }
  return problems;
}

function contentProblems(exchange, content) {
  if (exchange.method === 'HEAD') return [];
  const type = findHeader(exchange.headers, 'content-type');
  if (content === undefined) return exchange.body === '' ? [] : ['a body is not documented'];
  const documented = content[type] ?? content[type?.split(';')[0]];
  if (documented === undefined) return [`media type ${type} is not documented`];
  if (type === ndjson) {
    const lines = bytes(exchange.body).toString('utf8').split('\n').filter((line) => line !== '');
    return lines.map((line) => validate(documented.schema.contentSchema, JSON.parse(line))).filter(Boolean).map((w) => `line: ${w}`);
  }
  if (!/json$/.test(type)) return [];
  const plain = findHeader(exchange.headers, 'content-encoding') ? gunzipSync(bytes(exchange.body)) : bytes(exchange.body);
  const wrong = validate(documented.schema, JSON.parse(plain.toString('utf8')));
  return wrong ? [`body: ${wrong}`] : [];
}

function responseProblems(exchange, operation) {
  const response = resolve(operation.responses[exchange.status]);
  if (response === undefined) return [`status ${exchange.status} is not documented`];
  const problems = contentProblems(exchange, response.content);
  const headers = response.headers ?? {};
  for (const [name, value] of exchange.headers) {
    if (ownHeaders.has(name.toLowerCase()) || isForBrowsers(name, value)) continue;
    const key = Object.keys(headers).find((n) => n.toLowerCase() === name.toLowerCase());
    if (key === undefined) {
      problems.push(`header ${name} is not documented`);
      continue;
    }
    const schema = resolve(headers[key]).schema;
    const wrong = validate(schema, typed(schema, value));
    if (wrong) problems.push(`header ${name}: ${wrong}`);
  }
  for (const [name, header] of Object.entries(headers)) {
    if (resolve(header).required && findHeader(exchange.headers, name) === undefined) problems.push(`header ${name} is missing`);
  }
  return problems;
}

// Answers that no operation gives: no such path or method, and what is refused before a route is looked for.
function generalProblems(exchange) {
  if (exchange.method === 'OPTIONS' && exchange.status === 204) return [];
  if (exchange.status < 400) return exchange.method === null ? [] : [`status ${exchange.status} of a path that is not documented`];
  if (exchange.method === 'HEAD') return [];
  if (findHeader(exchange.headers, 'content-type') !== 'application/problem+json') return exchange.method === null ? [] : ['not a problem document'];
  const wrong = validate(document.components.schemas.Problem, JSON.parse(bytes(exchange.body).toString('utf8')));
  return wrong ? [`body: ${wrong}`] : [];
}

// What no client needs to know of the server's inside: its statements, its stores, its files, its addresses.
const inside = /\b(sqlstate|postgres\w*|libpq|redis|insert into|update \w+ set|select .* from|std::\w+|relation "|constraint "|127\.0\.0\.1|localhost)\b|\.[ch]pp\b|\/(src|usr|home|var|tmp)\//i;
const hasInside = (text) => inside.exec(text)?.[0];
if (!hasInside('duplicate key value violates unique constraint "users_pkey"') || hasInside('user 7 does not exist')) {
  throw new Error('the pattern of what is inside finds nothing, or too much');
}
// Rules for every answer, whatever it is about.
function commonProblems(exchange) {
  const problems = [];
  if (findHeader(exchange.headers, 'x-content-type-options') !== 'nosniff') problems.push('X-Content-Type-Options is not nosniff');
  if (!findHeader(exchange.headers, 'cache-control')) problems.push('Cache-Control is missing');
  // /readyz, which is for operators, does tell the SQLSTATE.
  const told = findHeader(exchange.headers, 'content-type') === 'application/problem+json' && hasInside(exchange.body);
  if (told) problems.push(`the problem tells of the inside: ${told}`);
  return problems;
}

// What the server answers when it has understood the request.
const understood = (exchange) => exchange.status < 400 || [402, 409].includes(exchange.status);

const seen = { exchanges: 0, requests: 0, operations: new Set(), outcomes: new Set() };
const findings = new Map();
function check(exchange) {
  ++seen.exchanges;
  const target = exchange.method === null ? null : new URL(exchange.target, 'http://server');
  const route = target && routeOf(exchange.method, exchange.target.split(/[?#]/)[0]);
  if (!route?.operation || [405, 501].includes(exchange.status)) return generalProblems(exchange);
  seen.operations.add(route.operation.operationId);
  seen.outcomes.add(`${route.operation.operationId} ${exchange.status}`);
  const problems = responseProblems(exchange, route.operation);
  if (understood(exchange)) {
    ++seen.requests;
    problems.push(...requestProblems(exchange, route, target.searchParams));
  }
  return problems;
}

for (const line of readFileSync(exchangesFile, 'utf8').split('\n')) {
  if (line === '') continue;
  const exchange = JSON.parse(line);
  let problems;
  try {
    problems = [...check(exchange), ...commonProblems(exchange)];
  } catch (failure) {
    problems = [String(failure)];
  }
  for (const problem of problems) {
    const text = `${exchange.method} ${exchange.target?.replace(/\d+/g, 'N')} ${exchange.status}: ${problem}`;
    if (!findings.has(text)) findings.set(text, { count: 0, line });
    ++findings.get(text).count;
  }
}
for (const [text, { count, line }] of findings) console.log(`${count} x ${text}\n    ${line.slice(0, 1500)}`);

const all = Object.values(document.paths).flatMap((item) => Object.values(item).map((o) => o.operationId));
console.log(`${seen.exchanges} exchanges, ${seen.requests} valid requests, ${seen.operations.size} of ${all.length} operations, ${seen.outcomes.size} outcomes`);
// Every success that is documented has been seen.
const unseen = Object.values(document.paths).flatMap((item) => Object.values(item).flatMap((o) =>
  Object.keys(o.responses).filter((status) => status < 300 && !seen.outcomes.has(`${o.operationId} ${status}`))
    .map((status) => `${o.operationId} ${status}`)));
if (unseen.length > 0) console.log(`no exchange of: ${unseen.join(', ')}`);
process.exit(findings.size === 0 && unseen.length === 0 && seen.requests > 0 ? 0 : 1);
