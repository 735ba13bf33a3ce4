// SPDX-License-Identifier: Apache-2.0
// A browser that does what it is told: each line of standard input is {"code": ...}, run with page and context; each line of standard output is
// {"value": ...} or {"error": ...}. What the page complains about, and what it asks anybody else than kedged, is kept in `complaints`.
const readline = require("readline");
const { chromium, devices } = require("playwright-core");

const [program] = process.argv.slice(2);
const Run = Object.getPrototypeOf(async function () {}).constructor;
let context, page;
let complaints = [];

function watch(address) {
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && !/Failed to load resource|ERR_|WebSocket connection/.test(message.text()) && complaints.push(`console: ${message.text()}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.host !== new URL(address).host && url.protocol !== "data:") complaints.push(`asked ${url.host}`);
  });
}

// A browser without cookies or anything else of the page before.
async function renew(browser, { address, width, height, scheme }) {
  await context?.close();
  complaints = [];
  const phone = width < 600 ? { isMobile: true, hasTouch: true, userAgent: devices["Pixel 7"].userAgent } : {};
  context = await browser.newContext({ baseURL: address, viewport: { width, height }, colorScheme: scheme, ignoreHTTPSErrors: true, ...phone });
  context.setDefaultTimeout(20000);
  page = await context.newPage();
  watch(address);
}

async function main() {
  const browser = await chromium.launch({ executablePath: program, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
  process.stdout.write('{"value": "ready"}\n');
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const asked = JSON.parse(line);
    let answer;
    try {
      const value = asked.renew ? await renew(browser, asked.renew) : await new Run("page", "context", "complaints", "args", asked.code)(page, context, complaints, asked.args);
      answer = { value: value === undefined ? null : value };
    } catch (error) {
      answer = { error: String(error && error.message) };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
  await browser.close();
}

main().catch((error) => {
  process.stdout.write(JSON.stringify({ error: String(error) }) + "\n");
  process.exit(1);
});
