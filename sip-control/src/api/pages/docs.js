// Lists the operations of /api/v1/openapi.json and sends requests from the page.
'use strict';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
const BASE = '/api/v1';

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** What a schema stands for, references followed. */
function resolved(description, schema) {
  if (!schema || !schema.$ref) return schema || {};
  const name = schema.$ref.split('/').pop();
  return description.components.schemas[name] || {};
}

/** An object with what is required, to begin with. */
function example(description, given, depth = 0) {
  const schema = resolved(description, given);
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === 'object' || schema.properties) {
    const made = {};
    if (depth > 3) return made;
    for (const name of schema.required || []) {
      made[name] = example(description, (schema.properties || {})[name], depth + 1);
    }
    return made;
  }
  return { array: [], boolean: false, integer: 0, number: 0, string: '' }[type] ?? null;
}

function parametersOf(description, path, operation) {
  const all = [...(path.parameters || []), ...(operation.parameters || [])];
  return all.map((parameter) => ({
    parameter,
    input: element('input', { placeholder: parameter.description || '', spellcheck: false }),
  }));
}

function headersFor(given, hasBody, method) {
  const headers = { 'X-Trunkline': '1' };
  const token = document.getElementById('token').value.trim();
  if (token) headers.Authorization = 'Bearer ' + token;
  if (hasBody) {
    headers['Content-Type'] = method === 'patch' ? 'application/merge-patch+json' : 'application/json';
  }
  for (const { parameter, input } of given) {
    if (parameter.in === 'header' && input.value) headers[parameter.name] = input.value;
  }
  return headers;
}

function addressOf(template, given) {
  let path = BASE + template.replace(new RegExp('^' + BASE), '');
  const query = new URLSearchParams();
  for (const { parameter, input } of given) {
    if (parameter.in === 'path') {
      path = path.replace('{' + parameter.name + '}', encodeURIComponent(input.value));
    } else if (parameter.in === 'query' && input.value) {
      query.append(parameter.name, input.value);
    }
  }
  const text = query.toString();
  return text ? path + '?' + text : path;
}

async function told(response) {
  const kind = response.headers.get('Content-Type') || '';
  const head = response.status + ' ' + response.statusText;
  const tag = response.headers.get('ETag');
  const lines = [head, tag ? 'ETag: ' + tag : null].filter(Boolean).join('\n');
  if (kind.startsWith('text/event-stream')) {
    response.body.cancel();
    return lines + '\n\nEvents come for as long as one listens: use curl -N.';
  }
  const text = await response.text();
  try {
    return lines + '\n\n' + JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return lines + '\n\n' + text;
  }
}

function operationOf(description, template, path, method) {
  const operation = path[method];
  const given = parametersOf(description, path, operation);
  const content = operation.requestBody && Object.values(operation.requestBody.content || {})[0];
  const body = content ? element('textarea', { spellcheck: false }) : null;
  if (body) body.value = JSON.stringify(example(description, content.schema), null, 2);
  const answer = element('pre', { hidden: true });
  const button = element('button', { type: 'button', textContent: 'Send' });
  button.addEventListener('click', async () => {
    answer.hidden = false;
    answer.textContent = '…';
    const request = { method: method.toUpperCase(), headers: headersFor(given, body !== null, method) };
    if (body) request.body = body.value;
    try {
      answer.textContent = await told(await fetch(addressOf(template, given), request));
    } catch (error) {
      answer.textContent = String(error);
    }
  });
  const inputs = given.map(({ parameter, input }) => element('label', {},
    parameter.name + (parameter.required ? ' *' : '') + ' (' + parameter.in + ')', input));
  return element('details', {},
    element('summary', {},
      element('span', { className: 'method', textContent: method.toUpperCase() }),
      element('code', { textContent: template }), ' ',
      element('span', { className: 'summary', textContent: operation.summary || '' })),
    element('div', {},
      element('p', { textContent: operation.description || '' }),
      ...inputs,
      body ? element('label', {}, 'Body', body) : null,
      button, answer));
}

async function start() {
  const main = document.getElementById('operations');
  const response = await fetch(BASE + '/openapi.json');
  const description = await response.json();
  document.getElementById('about').textContent = description.info.description || '';
  const groups = new Map();
  for (const [template, path] of Object.entries(description.paths)) {
    for (const method of METHODS.filter((method) => path[method])) {
      const tag = (path[method].tags || ['other'])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationOf(description, template, path, method));
    }
  }
  main.replaceChildren();
  for (const [tag, operations] of groups) {
    main.append(element('h2', { textContent: tag }), ...operations);
  }
}

start().catch((error) => {
  document.getElementById('operations').textContent = 'The description cannot be read: ' + error;
});
