// Holds the page /docs, as a browser shows it, against the description, and what the browser did against the page's
// promise to load nothing from elsewhere.
// usage: node check_page.mjs DOCUMENT DOM NETLOG LOG ORIGIN
// DOM is what `chromium --dump-dom` printed, NETLOG its --log-net-log, LOG its stderr.
import { readFileSync } from 'node:fs';

const [documentFile, domFile, netlogFile, logFile, origin] = process.argv.slice(2);
const read = (file) => readFileSync(file, 'utf8');
const document = JSON.parse(read(documentFile));
const dom = read(domFile).replaceAll('<wbr>', '');
const problems = [];

const operations = Object.entries(document.paths).flatMap(([path, item]) => Object.values(item).map((o) => ({ path, ...o })));
for (const { operationId, path, summary } of operations) {
  if (!dom.includes(`id="${operationId}"`) || !dom.includes(`>${path}<`) || !dom.includes(`>${summary}<`)) {
    problems.push(`${operationId} is not on the page`);
  }
  if (!dom.includes(`href="#${operationId}"`)) problems.push(`${operationId} is not in the list`);
}
const codes = Object.keys(document.components.schemas.Problem.discriminator.mapping);
for (const code of ['sold_out', 'insufficient_funds', 'validation_failed']) {
  if (!codes.includes(code) || !dom.includes(`href="/problems/${code}"`)) problems.push(`${code} is not linked to`);
}

if (/\[object |undefined|NaN/.test(dom.replace(/<script.*?<\/script>/gs, ''))) problems.push('something is shown that is no text');

// Chromium writes the log's end only when it ends in peace.
const netlog = read(netlogFile).trimEnd().replace(/,$/, '');
const log = JSON.parse(netlog.endsWith('}') ? netlog : `${netlog}]}`);
// What the page made the browser ask for; Chromium has errands of its own besides, for which no page is the initiator.
const requests = log.events.map((event) => event.params).filter((params) => params?.url && params.initiator === origin);
const asked = new Set(requests.map((params) => params.url));
for (const url of asked) {
  if (!url.startsWith(`${origin}/`)) problems.push(`the page asked for ${url}`);
}
for (const path of ['/openapi.json', '/docs/docs.css', '/docs/docs.js']) {
  if (!asked.has(origin + path)) problems.push(`the page did not ask for ${path}`);
}
for (const line of read(logFile).split('\n')) {
  if (/CONSOLE|Content Security Policy/.test(line)) problems.push(`the browser says: ${line}`);
}

for (const problem of problems) console.log(problem);
console.log(`${operations.length} operations on the page, ${asked.size} addresses asked for by the page`);
process.exit(problems.length === 0 && operations.length > 0 ? 0 : 1);
