// The console against a running daemon, from signing in to hanging up a call (OPS-1, OPS-3). The daemon
// has a call up, between the numbers TRUNKLINE_CALL_FROM and TRUNKLINE_CALL_TO; tests/tests/console.rs
// starts both. Screenshots are left in TRUNKLINE_SHOTS.
import assert from 'node:assert/strict';
import { URL_UNDER_TEST } from './browser.mjs';
import { start } from './steps.mjs';

const TRUNK = 'acme-carrier';
const [FIRST, SECOND] = ['sip:192.0.2.41;transport=tls', 'sip:192.0.2.42;transport=tls'];
const CALL_FROM = process.env.TRUNKLINE_CALL_FROM;
const CALL_TO = process.env.TRUNKLINE_CALL_TO;
/** OPS-1. */
const FIRST_PAINT_MS = 1000;
const SIZES = [
  { width: 360, height: 740 },
  { width: 1280, height: 800 },
  { width: 2560, height: 1300 },
];
const SCREENS = ['trunks', `trunks/${TRUNK}/general`, `trunks/${TRUNK}/termination`, `trunks/${TRUNK}/origination`, `trunks/${TRUNK}/registration`, 'routes', 'accounts', 'calls', 'history', 'events', 'health', 'certificates', 'configuration', 'webhooks', 'tokens', 'audit'];

const { browser, page, step, stepWithoutOffences } = await start();
/** The address of the call that is up. */
let call;

const button = (name) => browser.button(name);
const dialog = () => page.locator('dialog[open]');

step('the console paints within a second and asks for a token', async () => {
  await page.goto(URL_UNDER_TEST);
  await page.getByLabel('Token').waitFor();
  const painted = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  assert.ok(painted < FIRST_PAINT_MS, `first paint after ${painted} ms`);
  await browser.shot('login');
});

step('a wrong token is refused in words, a right one signs in', async () => {
  await browser.enter('tk_wrong_wrong');
  await page.getByText('This token is not known').waitFor();
  await browser.shot('login-refused');
  await browser.signIn();
  await page.getByRole('heading', { name: 'Trunks', level: 1 }).waitFor();
  const cookie = await page.evaluate(() => document.cookie);
  assert.equal(cookie, '', 'scripts cannot read the session');
});

step('ops_1: a trunk is made, and what is wrong with its name stands at the name', async () => {
  await button('New trunk').first().click();
  await dialog().getByLabel('Name').fill('');
  await button('Create').click();
  await dialog().locator('.field.wrong').waitFor();
  await browser.shot('trunk-wrong-name');
  await dialog().getByLabel('Name').fill(TRUNK);
  await dialog().getByLabel('May call from').fill('192.0.2.40');
  await button('Create').click();
  await page.getByRole('heading', { name: TRUNK, level: 1 }).waitFor();
});

step('ops_1: Secure Trunking is switched to SRTP and saved', async () => {
  await page.getByRole('link', { name: 'General', exact: true }).click();
  await page.getByRole('radio', { name: 'SRTP' }).check();
  await page.getByText('Unsaved changes').waitFor();
  await browser.shot('secure-trunking-unsaved');
  await button('Save').click();
  await page.getByText('Unsaved changes').waitFor({ state: 'detached' });
  await page.reload();
  await page.getByRole('radio', { name: 'SRTP' }).and(page.locator(':checked')).waitFor();
  await browser.shot('secure-trunking');
});

step('ops_1: two origination URIs are added one at a time, with priority and weight', async () => {
  await page.getByRole('link', { name: 'Origination', exact: true }).click();
  for (const [uri, priority, weight] of [[FIRST, '10', '70'], [SECOND, '20', '1']]) {
    await button('Add URI').click();
    await dialog().getByLabel('SIP URI').fill(uri);
    await dialog().getByLabel('Priority').fill(priority);
    await dialog().getByLabel('Weight').fill(weight);
    await dialog().getByRole('button', { name: 'Add' }).click();
    await dialog().waitFor({ state: 'detached' });
    await page.getByRole('row', { name: uri }).waitFor();
  }
  assert.equal(await page.locator('[data-uri-row]').count(), 2);
  await browser.shot('origination');
});

step('a form with changes is not left by accident', async () => {
  await page.getByRole('link', { name: 'General', exact: true }).click();
  await page.getByRole('radio', { name: 'Disabled' }).check();
  await page.getByText('Unsaved changes').waitFor();
  await browser.go('#/routes');
  await dialog().getByText('Leave without saving?').waitFor();
  await button('Stay').click();
  assert.match(await page.evaluate(() => location.hash), /general$/);
  await button('Discard').click();
  await page.getByText('Unsaved changes').waitFor({ state: 'detached' });
});

step('two who change the same trunk are told of each other', async () => {
  const change = (body) =>
    page.evaluate(
      async ([trunk, body]) => {
        const seen = await fetch(`/api/v1/trunks/${trunk}`);
        const headers = { 'X-Trunkline': '1', 'If-Match': seen.headers.get('ETag'), 'Content-Type': 'application/merge-patch+json' };
        return (await fetch(`/api/v1/trunks/${trunk}`, { method: 'PATCH', headers, body: JSON.stringify(body) })).status;
      },
      [TRUNK, body],
    );
  await page.getByLabel('Calls at once').fill('25');
  assert.equal(await change({ max_concurrent_calls: 40 }), 200);
  await button('Save').click();
  await dialog().getByText('Somebody else changed this').waitFor();
  await browser.shot('conflict');
  await dialog().getByRole('row', { name: 'max_concurrent_calls' }).getByRole('radio').first().check();
  await button('Go on with what is chosen').click();
  await button('Save').click();
  await page.getByText('Unsaved changes').waitFor({ state: 'detached' });
  assert.equal(await page.getByLabel('Calls at once').inputValue(), '25');
});

step('ops_1: a call that is up is among the live calls, with the security of each side', async () => {
  await browser.go('#/calls');
  const row = page.locator('tbody tr', { hasText: CALL_FROM }).filter({ hasText: CALL_TO }).first();
  await row.waitFor();
  await row.locator('td', { hasText: 'answered' }).waitFor();
  assert.equal(await row.locator('.badge.good, .badge.info, .badge.warning').count() >= 2, true);
  call = await row.locator('a').first().getAttribute('href');
  await page.waitForTimeout(2500);
  await browser.shot('live-calls');
});

step('figures of live calls do not push their columns about', async () => {
  const lefts = () => page.locator('.table.live thead th').evaluateAll((cells) => cells.map((cell) => Math.round(cell.getBoundingClientRect().left)));
  const before = await lefts();
  await page.waitForTimeout(2500);
  assert.deepEqual(await lefts(), before);
});

step('ops_1: its ladder opens, and each message has its text', async () => {
  await browser.go(call);
  const invite = page.getByRole('button', { name: /INVITE from caller/ }).first();
  await invite.waitFor();
  await invite.click();
  await page.locator('.message-text', { hasText: 'Call-ID' }).waitFor();
  assert.ok(!(await page.locator('.message-text').innerText()).includes('inline:WVNf'), 'no key is shown');
  await page.keyboard.press('Escape');
  await browser.shot('ladder');
  await invite.focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.locator('.message-text').waitFor();
  await browser.shot('ladder-message');
});

step('its quality, flows and timeline are there', async () => {
  for (const [tab, expected] of [['Quality', '.quality-now'], ['Flows', '.flow'], ['Timeline', '.timeline li'], ['Details', '.values']]) {
    await page.getByRole('navigation', { name: 'About the call' }).getByRole('link', { name: tab }).click();
    await page.locator(expected).first().waitFor();
    await page.waitForTimeout(300);
    await browser.shot(`call-${tab.toLowerCase()}`, { fullPage: true });
  }
});

/** As of a call that the API placed, of which nobody here is the first party. */
async function showAsPlaced() {
  const first = { uri: 'sip:first.example', address: '192.0.2.51:5061', transport: 'tls', call_id: 'f1', status: 480, outcome: '480 Temporarily Unavailable' };
  await page.route(/\/api\/v1\/calls\/\d+$/, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), first_party_targets: [first] } });
  });
  const [ofFirst, ofSecond] = ['first', 'second'].map((party) => page.getByRole('region', { name: `Targets tried for the ${party} party` }));
  await ofFirst.getByRole('row', { name: first.uri }).getByText('480', { exact: true }).waitFor();
  await ofSecond.getByRole('row').nth(1).waitFor();
  await browser.shot('call-targets', { fullPage: true });
  await page.unroute(/\/api\/v1\/calls\/\d+$/);
  await ofFirst.waitFor({ state: 'detached' });
}

step('ops_2: where it was tried is told, of a placed call for each party', async () => {
  await browser.go(`${call}/overview`);
  await page.getByRole('heading', { name: 'Targets tried', exact: true }).waitFor();
  await showAsPlaced();
});

step('ops_3: it is hung up from here, after being asked, and becomes history', async () => {
  await button('Hang up').click();
  await dialog().getByText('Hang up this call?').waitFor();
  await browser.shot('hang-up');
  // Whoever plays the two telephones waits for it from here on.
  console.log('hanging up');
  await dialog().getByRole('button', { name: 'Hang up' }).click();
  await page.locator('a.up', { hasText: 'Call history' }).waitFor();
  await page.locator('.head .badge', { hasText: /answered|cut off/ }).waitFor();
  await browser.go('#/history');
  // The store is written behind the call.
  for (let tries = 0; tries < 20 && (await page.locator('tbody tr', { hasText: CALL_FROM }).count()) === 0; tries++) {
    await page.waitForTimeout(250);
    await page.getByRole('button', { name: /Refresh/ }).click();
  }
  await page.locator('tbody tr', { hasText: CALL_FROM }).first().waitFor();
});

step('ops_2: its record tells where it was tried, too', async () => {
  await browser.go(`${call}/overview`);
  await page.getByRole('heading', { name: 'Targets tried', exact: true }).waitFor();
  await page.locator('a.up', { hasText: 'Call history' }).waitFor();
});

step('ops_3: events tell of it, and the stream is live', async () => {
  await browser.go('#/events');
  await page.locator('.head .badge', { hasText: 'live' }).waitFor();
  await page.locator('tbody tr', { hasText: 'call ended' }).first().waitFor();
});

step('the keyboard leads everywhere', async () => {
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  await page.getByRole('heading', { name: 'Trunks', level: 1 }).waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type(TRUNK);
  await page.locator('tbody tr').nth(1).waitFor({ state: 'detached' });
  await page.getByRole('row', { name: TRUNK }).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('?');
  await dialog().getByText('Search on this page').waitFor();
  await page.keyboard.press('Escape');
  await dialog().waitFor({ state: 'detached' });
});

step('the licences of what it is made of go along', async () => {
  const link = page.getByRole('link', { name: 'Licences', exact: true });
  const where = new URL(await link.getAttribute('href'), URL_UNDER_TEST);
  const answer = await page.request.get(where.href);
  assert.equal(answer.status(), 200);
  assert.match(answer.headers()['content-type'], /^text\/plain/);
  const text = await answer.text();
  for (const word of ['preact', '@preact/signals', 'uplot', 'Permission is hereby granted']) assert.ok(text.includes(word), word);
});

for (const scheme of ['light', 'dark']) {
  step(`every screen fits a phone, a desk and a wall, in ${scheme} colours`, async () => {
    await page.emulateMedia({ colorScheme: scheme });
    for (const size of SIZES) {
      await page.setViewportSize(size);
      for (const screen of SCREENS) {
        await browser.go(`#/${screen}`);
        await page.locator('h1').first().waitFor();
        await page.locator('.loading').first().waitFor({ state: 'detached' });
        await page.waitForTimeout(screen === 'events' ? 700 : 80);
        await browser.shot(`${scheme}-${size.width}-${screen.replaceAll('/', '-')}`, { fullPage: true });
        assert.equal(await browser.overflow(), undefined, `${screen} at ${size.width}`);
      }
    }
  });
}

stepWithoutOffences();
