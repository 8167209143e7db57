// How soon a browser that is signed in shows the console: the median of some loads, as one line of JSON.
// For `cargo xtask bench api`.
import { Browser, URL_UNDER_TEST } from './browser.mjs';

const LOADS = 7;

const browser = await Browser.start();
try {
  const { page } = browser;
  await page.goto(URL_UNDER_TEST);
  await browser.signIn();
  await page.getByRole('heading', { name: 'Trunks' }).waitFor();
  const paints = [];
  for (let load = 0; load < LOADS; load += 1) {
    await page.reload();
    await page.getByRole('heading', { name: 'Trunks' }).waitFor();
    paints.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime));
  }
  paints.sort((one, other) => one - other);
  console.log(JSON.stringify({ first_contentful_paint_ms: paints[LOADS >> 1], slowest_ms: paints[LOADS - 1] }));
} finally {
  await browser.stop();
}
