'use strict';
// Shows /openapi.json. Everything is put in as text, never as HTML.

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
};
const code = (text) => make('code', {}, text);
const pretty = (value) => JSON.stringify(value, null, 2);
const methods = ['get', 'post', 'put', 'patch', 'delete'];
// What most readers come for; the other groups follow as the description has them.
const foremost = ['Wallet', 'Users', 'Products'];

// A path may go on in the next line where a segment ends.
const breakable = (path) => path.split(/(?<=.)(?=\/)/).flatMap((segment, i) => (i === 0 ? [segment] : [make('wbr'), segment]));

// Back-quoted words become code, [text](/path) becomes a link; both are all that descriptions use.
const words = (text) => String(text ?? '').split(/(`[^`]+`|\[[^\]]+\]\(\/[^)]*\))/).map((part) => {
  if (part.startsWith('`')) return code(part.slice(1, -1));
  const link = /^\[([^\]]+)\]\((\/[^)]*)\)$/.exec(part);
  return link ? make('a', { href: link[2] }, link[1]) : part;
});

function paragraphs(text) {
  return String(text).split('\n\n').map((block) =>
    block.startsWith('- ') ? make('ul', {}, block.slice(2).split('\n- ').map((item) => make('li', {}, words(item))))
      : make('p', {}, words(block)));
}

function describe(api) {
  const resolve = (node) => node?.$ref === undefined ? node
    : resolve(node.$ref.slice(2).split('/').reduce((at, name) => at[name], api));
  const nameOf = (node) => node?.$ref?.split('/').pop();

  const typeOf = (schema) => {
    const inner = resolve(schema);
    const types = [inner.type ?? (inner.anyOf ? inner.anyOf.map((each) => nameOf(each) ?? each.type) : 'object')].flat();
    const text = types.map((type) => (type === 'array' ? `list of ${nameOf(inner.items) ?? resolve(inner.items).type ?? 'objects'}`
      : type === 'object' ? nameOf(schema) ?? 'object' : type === 'null' ? 'null' : type));
    return text.join(' or ');
  };
  const boundsOf = (schema) => {
    const s = resolve(schema);
    const facts = [];
    if (s.const !== undefined) facts.push(`always ${JSON.stringify(s.const)}`);
    if (s.enum) facts.push(`one of ${s.enum.map((each) => JSON.stringify(each)).join(', ')}`);
    if (s.minimum !== undefined) facts.push(`at least ${s.minimum}`);
    if (s.maximum !== undefined) facts.push(`at most ${s.maximum}`);
    if (s.minLength !== undefined) facts.push(`${s.minLength} characters or more`);
    if (s.maxLength !== undefined) facts.push(`${s.maxLength} characters or fewer`);
    if (s.minItems !== undefined) facts.push(`${s.minItems} items or more`);
    if (s.maxItems !== undefined) facts.push(`${s.maxItems} items or fewer`);
    if (s.format && s.format !== 'int64') facts.push(s.format);
    if (s.pattern) facts.push(`matches ${s.pattern}`);
    if (s.default !== undefined) facts.push(`default ${JSON.stringify(s.default)}`);
    return facts.join('; ');
  };
  const row = (name, needed, schema, text) => make('tr', {},
    make('td', {}, code(name), needed ? make('span', { class: 'needed' }, ' required') : null),
    make('td', {}, typeOf(schema)),
    make('td', {}, words(text ?? resolve(schema).description), ' ', make('span', { class: 'soft facts' }, boundsOf(schema))));
  const table = (rows) => make('table', {},
    make('thead', {}, make('tr', {}, ['Name', 'Type', 'Meaning'].map((title) => make('th', { scope: 'col' }, title)))),
    make('tbody', {}, rows));

  // What is inside a schema: its members, and below them those of objects and lists that it holds.
  const members = (schema, seen = []) => {
    const s = resolve(schema);
    const choices = s.oneOf ?? [];
    if (choices.length > 0 && !s.properties) {
      return choices.map((each) => make('details', { class: 'nested' },
        make('summary', {}, nameOf(each) ?? resolve(each).properties?.op?.enum?.[0] ?? typeOf(each)), members(each, seen)));
    }
    if (s.type === 'array') return members(s.items, seen);
    if (s.contentSchema) return members(s.contentSchema, seen); // lines of text, each such an object
    if (!s.properties) return [];
    const required = new Set(s.required ?? []);
    const parts = [table(Object.entries(s.properties).map(([name, member]) => row(name, required.has(name), member)))];
    for (const [name, member] of Object.entries(s.properties)) {
      const inner = resolve(member);
      const held = inner.type === 'array' ? inner.items : inner.anyOf?.find((each) => each.$ref) ?? member;
      const target = resolve(held);
      const key = nameOf(held);
      if ((target.properties || target.oneOf) && !seen.includes(key)) {
        parts.push(make('details', { class: 'nested' }, make('summary', {}, code(name), ` ${key ?? ''}`),
          members(held, key ? [...seen, key] : seen)));
      }
    }
    return parts;
  };

  const exampleOf = (content) => content.example ?? resolve(Object.values(content.examples ?? {})[0])?.value;
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const curlOf = (method, path, operation, parameters) => {
    const filled = path.replace(/\{([^}]+)\}/g, (_, name) =>
      ({ idempotency_key: 'order-1001', problem_code: 'sold_out' })[name] ?? '1');
    const lines = [`curl -s${method === 'get' ? '' : ` -X ${method.toUpperCase()}`} ${quote(location.origin + filled)}`];
    for (const each of parameters.filter((p) => p.in === 'header' && p.required)) {
      lines.push(`-H ${quote(`${each.name}: ${each.example ?? 'x'}`)}`);
    }
    for (const [type, content] of Object.entries(resolve(operation.requestBody)?.content ?? {})) {
      const example = exampleOf(content);
      lines.push(`-H ${quote(`Content-Type: ${type}`)}`,
        `--data-binary ${quote(typeof example === 'string' ? example : JSON.stringify(example))}`);
      break;
    }
    return lines.join(' \\\n  ');
  };
  const curlBlock = (text) => {
    const button = make('button', { type: 'button' }, 'Copy');
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = 'Copied';
      } catch {
        button.textContent = 'Select and copy by hand';
      }
    });
    return make('div', { class: 'curl' }, make('pre', {}, text), navigator.clipboard ? button : null);
  };

  const body = (content) => Object.entries(content ?? {}).flatMap(([type, each]) => {
    const example = exampleOf(each);
    return [make('p', { class: 'soft' }, type), members(each.schema, [nameOf(each.schema)]),
      example === undefined ? null : make('pre', {}, typeof example === 'string' ? example : pretty(example))];
  });
  // The problems of a status: links to what each means.
  const codesOf = (content) => {
    const schema = content?.['application/problem+json']?.schema;
    const refs = schema?.oneOf ?? (schema ? [schema] : []);
    return refs.map((each) => resolve(each).properties?.code?.const).filter(Boolean);
  };
  const problems = (content) => {
    const codes = codesOf(content);
    return codes.length === 0 ? null
      : make('p', {}, codes.flatMap((each, i) => [i === 0 ? '' : ', ', make('a', { href: `/problems/${each}` }, code(each))]));
  };
  const response = ([status, given]) => {
    const r = resolve(given);
    const { 'application/problem+json': _, ...others } = r.content ?? {};
    const headers = Object.entries(r.headers ?? {}).map(([name, h]) => row(name, false, resolve(h).schema, resolve(h).description));
    const open = Number(status) < 400 ? { open: '' } : {};
    return make('details', open, make('summary', {}, make('span', { class: 'status' }, status), ' ',
      make('span', { class: 'soft' }, Number(status) < 400 ? r.description : codesOf(r.content).join(', '))), problems(r.content), body(others),
    headers.length > 0 ? make('details', { class: 'nested' }, make('summary', {}, 'Headers'), table(headers)) : null);
  };

  // What a search looks at besides the operation itself: the names of everything that is sent or answered.
  const namesIn = (node, found = new Set(), seen = new Set()) => {
    const s = resolve(node);
    if (s === null || typeof s !== 'object' || seen.has(s)) return found;
    seen.add(s);
    Object.keys(s.properties ?? {}).forEach((name) => found.add(name));
    if (s.properties?.code?.const) found.add(s.properties.code.const);
    for (const inner of [...Object.values(s.properties ?? {}), ...(s.oneOf ?? []), ...(s.anyOf ?? []), ...(s.allOf ?? []), s.items, s.contentSchema]) {
      namesIn(inner, found, seen);
    }
    return found;
  };
  const searchedIn = (o, parameters) => {
    const given = Object.values(o.responses).map(resolve);
    const contents = [resolve(o.requestBody), ...given].flatMap((each) => Object.values(each?.content ?? {}));
    return [o.operationId, o.method, o.path, o.summary, o.description, ...Object.keys(o.responses), ...parameters.map((p) => p.name),
      ...given.flatMap((each) => Object.keys(each.headers ?? {})), ...contents.flatMap((each) => [...namesIn(each.schema)])]
      .join(' ').toLowerCase();
  };

  const operations = Object.entries(api.paths).flatMap(([path, item]) =>
    methods.filter((method) => item[method]).map((method) => ({ path, method, ...item[method] })));
  const sections = new Map();
  const searched = new Map();
  for (const o of operations) {
    const parameters = (o.parameters ?? []).map(resolve);
    searched.set(o, searchedIn(o, parameters));
    sections.set(o, make('details', { class: 'operation', id: o.operationId },
      make('summary', {}, make('h3', {}, o.summary), make('span', { class: 'route' },
        make('span', { class: `method ${o.method}` }, o.method.toUpperCase()), ' ', make('span', { class: 'path' }, breakable(o.path)))),
      paragraphs(o.description),
      parameters.length > 0 ? [make('h4', {}, 'Parameters'),
        table(parameters.map((p) => row(p.name, p.required, p.schema, `In the ${p.in}. ${p.description ?? ''}`)))] : null,
      o.requestBody ? [make('h4', {}, 'Request body'), body(resolve(o.requestBody).content)] : null,
      make('h4', {}, 'Try it'), curlBlock(curlOf(o.method, o.path, o, parameters)),
      make('h4', {}, 'Answers'), Object.entries(o.responses).map(response)));
  }

  const rank = (tag) => (foremost.includes(tag.name) ? foremost.indexOf(tag.name) : foremost.length);
  const groups = api.tags.toSorted((a, b) => rank(a) - rank(b)).map((tag) => ({ tag, of: operations.filter((o) => o.tags.includes(tag.name)) }));
  document.title = `${api.info.title} API ${api.info.version}`;
  document.getElementById('content').replaceChildren(
    make('h1', {}, `${api.info.title} `, make('span', { class: 'soft' }, api.info.version)), ...paragraphs(api.info.description),
    make('p', {}, make('a', { href: '/openapi.json' }, 'openapi.json'), ' · ', make('a', { href: '/problems' }, 'All problems')),
    ...groups.flatMap(({ tag, of }) => [make('h2', {}, tag.name), make('p', { class: 'soft' }, tag.description), ...of.map((o) => sections.get(o))]));

  const codes = Object.keys(api.components.schemas.Problem.discriminator.mapping);
  const list = document.getElementById('list');
  const search = document.getElementById('search');
  const show = () => {
    const wanted = search.value.trim().toLowerCase().split(/\s+/);
    const fits = (o) => wanted.every((word) => searched.get(o).includes(word));
    for (const [o, section] of sections) section.hidden = !fits(o);
    const named = codes.filter((each) => search.value.trim() !== '' && wanted.every((word) => each.includes(word)));
    list.replaceChildren(...groups.flatMap(({ tag, of }) => {
      const left = of.filter(fits);
      return left.length === 0 ? [] : [make('h2', {}, tag.name), make('ul', {}, left.map((o) => make('li', {},
        make('a', { href: `#${o.operationId}` }, make('span', { class: `method ${o.method}` }, o.method.toUpperCase()), o.summary))))];
    }), ...named.length === 0 ? [] : [make('h2', {}, 'Problems'),
      make('ul', {}, named.map((each) => make('li', {}, make('a', { href: `/problems/${each}` }, code(each)))))]);
  };
  // A link opens what it leads to, also the one that leads there already.
  const open = (id) => {
    const section = document.getElementById(id);
    if (section?.matches('details')) section.open = true;
    return section;
  };
  list.addEventListener('click', (event) => open(event.target.closest('a')?.hash.slice(1)));
  addEventListener('hashchange', () => open(location.hash.slice(1)));
  search.addEventListener('input', show);
  show();
  if (location.hash) open(location.hash.slice(1))?.scrollIntoView({ behavior: 'instant' });
}

fetch('/openapi.json').then((answer) => {
  if (!answer.ok) throw new Error(`/openapi.json: ${answer.status}`);
  return answer.json();
}).then(describe).catch((failure) => {
  document.getElementById('content').replaceChildren(make('p', { role: 'alert' },
    `The description could not be shown: ${failure.message}. Reload the page, or read /openapi.json.`));
});
