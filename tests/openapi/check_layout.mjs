// Looks at the pages as a person would, at the width of a phone and of a desk: words in one piece, nothing wider than the
// window, the wallet first, operations folded, and a search that finds what one would look for.
// usage: node check_layout.mjs ORIGIN FOLDER OPTION...
// FOLDER gets screenshots; the OPTIONs are Chromium's. Speaks the DevTools protocol over a pipe.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const [origin, folder, ...options] = process.argv.slice(2);
const browser = spawn('chromium', [...options, '--remote-debugging-pipe', 'about:blank'],
  { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
const deadline = setTimeout(() => { browser.kill('SIGKILL'); console.log('the browser does not end'); process.exit(1); }, 100_000);
const waiting = new Map();
let last = 0;
let received = '';
browser.stdio[4].setEncoding('utf8').on('data', (text) => {
  const messages = (received + text).split('\0');
  received = messages.pop();
  for (const message of messages.map((each) => JSON.parse(each))) {
    const { resolve, reject } = waiting.get(message.id) ?? {};
    waiting.delete(message.id);
    if (message.error) reject?.(new Error(message.error.message));
    else resolve?.(message.result);
  }
});
const ask = (method, params = {}, sessionId = undefined) => new Promise((resolve, reject) => {
  waiting.set(++last, { resolve, reject });
  browser.stdio[3].write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
});

const { targetId } = await ask('Target.createTarget', { url: 'about:blank' });
const { sessionId } = await ask('Target.attachToTarget', { targetId, flatten: true });
const tell = (method, params) => ask(method, params, sessionId);
const evaluate = async (work, ...values) => {
  const expression = `(${work})(...${JSON.stringify(values)})`;
  const { result, exceptionDetails } = await tell('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
  return result.value;
};
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function visit(path, width) {
  await tell('Emulation.setDeviceMetricsOverride', { width, height: 1400, deviceScaleFactor: 1, mobile: width < 600 });
  await tell('Page.navigate', { url: origin + path });
  for (let i = 0; i < 200; i++) {
    const ready = await evaluate((to) => location.pathname + location.hash === to && document.readyState === 'complete'
      && (location.pathname !== '/docs' || document.querySelector('.operation') !== null), path).catch(() => false);
    if (ready) return;
    await pause(50);
  }
  throw new Error(`${path} does not load`);
}
async function picture(name) {
  const { data } = await tell('Page.captureScreenshot', {});
  writeFileSync(`${folder}/${name}.png`, Buffer.from(data, 'base64'));
}

// In the page: words that are on two lines, and what is wider than the window.
function layout() {
  document.querySelectorAll('details').forEach((each) => { each.open = true; });
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.parentElement.closest('pre, .facts, script, noscript')) continue;
    for (const word of node.data.matchAll(/[\p{L}\p{N}_]+/gu)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map((rect) => Math.round(rect.top)));
      if (lines.size > 1) found.push(`the word ${word[0]} is broken`);
    }
  }
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) found.push(`it is ${wide} px wider than the window`);
  return [...new Set(found)];
}
// In the page: types into the search, and gives the names and links that are left.
function find(text) {
  const search = document.getElementById('search');
  search.value = text;
  search.dispatchEvent(new Event('input'));
  const shown = [...document.querySelectorAll('.operation')].filter((each) => !each.hidden).map((each) => each.id);
  return { shown, listed: [...document.querySelectorAll('#list a')].map((each) => each.getAttribute('href')) };
}

const problems = [];
const demand = (holds, text) => { if (!holds) problems.push(text); };
try {
  for (const width of [390, 1280]) {
    for (const path of ['/docs', '/problems', '/problems/sold_out', '/problems/validation_failed']) {
      await visit(path, width);
      await picture(`${path.slice(1).replace('/', '-')}-${width}`);
      for (const found of await evaluate(layout)) problems.push(`${path} at ${width} px: ${found}`);
    }
  }
  // The look for broken words must find those of columns that are too narrow.
  await evaluate(() => document.querySelectorAll('td').forEach((each) => {
    Object.assign(each.style, { display: 'block', width: '2rem', overflowWrap: 'anywhere' });
  }));
  demand((await evaluate(layout)).length > 0, 'broken words are not noticed');
  await visit('/docs', 1280);
  const groups = await evaluate(() => [...document.querySelectorAll('main h2')].map((each) => each.textContent));
  demand(groups[0] === 'Wallet', `the groups begin with ${groups[0]}`);
  const opened = () => evaluate(() => [...document.querySelectorAll('details.operation')].filter((each) => each.open).map((each) => each.id));
  demand((await opened()).length === 0, 'operations are not folded');
  await evaluate(() => document.querySelector('#list a[href="#refundPurchase"]').click());
  demand((await opened()).join() === 'refundPurchase', 'a link of the list does not open its operation');
  await visit('/problems', 1280);
  await visit('/docs#getInventory', 1280);
  demand((await opened()).join() === 'getInventory', 'a link from elsewhere does not open its operation');
  // A code, a member, a member of a problem, a header, a parameter, two words.
  for (const [text, there, absent] of [['sold_out', 'purchaseProduct', 'getUser'], ['balance_after', 'addFunds', 'createKey'],
    ['current_price', 'purchaseProduct', 'getUser'], ['x-next-cursor', 'getStatement', 'getUser'], ['if-none-match', 'getInventory', 'addFunds'],
    ['as_of', 'getInventory', 'purchaseProduct'], ['409 refund', 'refundPurchase', 'getUser']]) {
    const { shown, listed } = await evaluate(find, text);
    demand(shown.includes(there) && listed.includes(`#${there}`), `a search for ${text} does not find ${there}: ${shown}`);
    demand(!shown.includes(absent), `a search for ${text} finds ${absent}`);
  }
  const { listed } = await evaluate(find, 'sold_out');
  demand(listed.includes('/problems/sold_out'), 'a search for sold_out does not lead to its page');
  const nothing = await evaluate(find, 'nosuchword');
  demand(nothing.shown.length === 0 && nothing.listed.length === 0, 'a search for nonsense finds something');
} catch (failure) {
  problems.push(String(failure));
}
await ask('Browser.close').catch(() => {});
clearTimeout(deadline);
for (const problem of problems) console.log(problem);
console.log('two widths, four pages, the search and the folding');
process.exit(problems.length === 0 ? 0 : 1);
