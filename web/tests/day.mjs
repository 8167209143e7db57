// The console on a screen that nobody touches for a day: a million events, tables that go on changing,
// hours that pass, and in the end a token that is revoked. Nothing grows without end (OPS-1). The events
// and the calls are made up here; everything else is a running daemon's, which tests/tests/console.rs
// starts. TRUNKLINE_OTHER_TOKEN is a second token of the role `admin`.
import assert from 'node:assert/strict';
import { URL_UNDER_TEST } from './browser.mjs';
import { start } from './steps.mjs';

const OTHER_TOKEN = process.env.TRUNKLINE_OTHER_TOKEN;
const EVENTS = 1_000_000;
/** Of one connection, which ends then: the console comes back for more. */
const OF_CONNECTION = 50_000;
/** Of the screen of events, which shows a thousand rows, and of that of live calls, which shows five hundred. */
const MOST_NODES = 40_000;
/** More than after the first events, for all that came after them. */
const MORE_HEAP_BYTES = 8e6;
const MINUTE_MS = 60_000;

const { browser, page, step, stepWithoutOffences } = await start();
page.setDefaultTimeout(60_000);
const inspector = await browser.context.newCDPSession(page);
await inspector.send('Performance.enable');

/** What the page holds when it has let go of what it does not need. */
async function weight() {
  await inspector.send('HeapProfiler.collectGarbage');
  const { metrics } = await inspector.send('Performance.getMetrics');
  const of = (name) => metrics.find((metric) => metric.name === name).value;
  return { nodes: of('Nodes'), listeners: of('JSEventListeners'), heap: of('JSHeapUsedSize') };
}

function assertNoMore(now, before) {
  assert.ok(now.nodes < MOST_NODES, `${now.nodes} nodes`);
  assert.ok(now.listeners < before.listeners + 500, `${now.listeners} listeners, ${before.listeners} before`);
  assert.ok(now.heap < before.heap + MORE_HEAP_BYTES, `${now.heap} bytes, ${before.heap} before`);
}

/** In the page: answers the console's request for the stream with events that nobody has told. */
function makeUpEvents([most, ofConnection]) {
  const ask = window.fetch;
  const encoder = new TextEncoder();
  const written = (seq) => {
    const event = { seq, time: '2026-03-01T12:00:00.000Z', kind: 'call_answered', call: seq, trunk: 'carrier', peer: 'tls:192.0.2.1:5061', code: null, text: 'answered by the callee', data: {} };
    return `id: ${seq}\nevent: call_answered\ndata: ${JSON.stringify(event)}\n\n`;
  };
  window.fetch = async (where, options) => {
    const url = new URL(where);
    if (!url.pathname.endsWith('/events/stream')) return ask(where, options);
    let seq = Number(url.searchParams.get('after')) + 1;
    window.firstMadeUp ??= seq;
    const until = Math.min(seq + ofConnection, window.firstMadeUp + most);
    const pull = (stream) => {
      let text = ': made up\n\n';
      for (const end = Math.min(seq + 500, until); seq < end; seq += 1) text += written(seq);
      stream.enqueue(encoder.encode(text));
      if (seq >= until) stream.close();
    };
    return new Response(new ReadableStream({ pull }), { headers: { 'Content-Type': 'text/event-stream' } });
  };
}

step('somebody signs in, in the morning', async () => {
  await page.clock.install();
  await page.addInitScript(makeUpEvents, [EVENTS, OF_CONNECTION]);
  await page.goto(URL_UNDER_TEST);
  await browser.signIn();
});

step('ops_3: a million events leave a thousand on the screen, and no more in memory', async () => {
  await browser.go('#/events');
  const shown = async () => Number(await page.locator('tbody tr td').first().textContent());
  const untilShown = async (seq) => {
    while ((await shown()) < seq) {
      // Pauses before the next try, and between two drawings, pass faster.
      await page.clock.fastForward(1500);
      await page.waitForTimeout(50);
    }
  };
  await page.locator('tbody tr').first().waitFor();
  const first = await page.evaluate(() => window.firstMadeUp);
  await untilShown(first + OF_CONNECTION - 1);
  const before = await weight();
  await untilShown(first + EVENTS - 1);
  assert.equal(await page.locator('tbody tr').count(), 1000);
  const now = await weight();
  console.log('after a million events', now, 'after the first of them', before);
  assertNoMore(now, before);
});

step('ops_1: twenty-four hours later it is as it was, and still fresh', async () => {
  const before = await weight();
  let asked = 0;
  page.on('request', (request) => void (asked += request.url().endsWith('/api/v1/health') ? 1 : 0));
  const began = await page.evaluate(() => Date.now());
  for (let passed = 0; passed < 24 * 60; passed += 30) {
    await page.clock.fastForward(30 * MINUTE_MS);
    await page.waitForTimeout(15);
  }
  assert.ok((await page.evaluate(() => Date.now())) - began >= 24 * 60 * MINUTE_MS);
  // It has gone on asking, and never twice where once was its turn.
  assert.ok(asked > 20 && asked <= 24 * 2 + 30, `${asked} looks at health`);
  await page.locator('.nav .state', { hasText: /Healthy|Degraded/ }).waitFor();
  assert.equal(await page.locator('.notice').count(), 0);
  assertNoMore(await weight(), before);
});

step('ops_1: calls come and go for hours under a pointer that was forgotten there', async () => {
  let looks = 0;
  await page.route('**/api/v1/calls?*', async (route) => {
    looks += 1;
    const call = (_, place) => ({ call: looks * 25 + 50 - place, from: `sip:${place}@a.example`, to: 'sip:1000@b.example', state: 'answered', age_ms: 1000, answered_ms: 500, caller: { trunk: 'carrier', transport: 'tls' }, callee: { trunk: 'pbx', transport: 'udp' }, media: { directions: [] } });
    await route.fulfill({ json: { items: Array.from({ length: 50 }, call), next: null } });
  });
  await browser.go('#/calls');
  const rows = page.locator('.table.live tbody tr');
  await rows.first().waitFor();
  await rows.nth(3).hover();
  const look = async (until) => {
    while (looks < until) {
      await page.clock.fastForward(2100);
      await page.waitForTimeout(10);
    }
  };
  await look(15);
  const before = await weight();
  await look(40);
  assert.ok((await rows.count()) <= 250, `${await rows.count()} rows`);
  const now = await weight();
  console.log('after', looks, 'looks at live calls', now, 'after the first of them', before);
  assertNoMore(now, before);
  await page.mouse.move(5, 5);
  await page.unroute('**/api/v1/calls?*');
});

step('sec: a token that is revoked meanwhile is said, and the next one signs in', async () => {
  const headers = { Authorization: `Bearer ${OTHER_TOKEN}` };
  const api = (path) => new URL(`/api/v1/${path}`, URL_UNDER_TEST);
  const { items } = await (await fetch(api('tokens'), { headers })).json();
  const { id } = items.find((token) => token.label === 'console-test');
  const revoked = await fetch(api(`tokens/${id}`), { method: 'DELETE', headers });
  assert.equal(revoked.status, 204);
  await page.clock.fastForward(10_000);
  await page.getByText('You have been signed out').waitFor();
  await browser.shot('signed-out');
  // What is not signed in asks for nothing.
  let asked = 0;
  page.on('request', () => void (asked += 1));
  await page.clock.fastForward(60 * MINUTE_MS);
  await page.waitForTimeout(300);
  assert.equal(asked, 0);
  await browser.signIn(OTHER_TOKEN);
  await page.getByText('You have been signed out').waitFor({ state: 'detached' });
});

stepWithoutOffences();
