// Opens pages in Chromium as one process: reads a JSON list of jobs, writes a JSON list of results.
// A job: {url, width, height, dark, script, wait?, axe?, open?, close?, click?, picture?, part?}.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { chromium: executablePath, axe, jobs } = JSON.parse(readFileSync(0, "utf8"));
const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
  ],
});
const results = [];
for (const job of jobs) {
  const context = await browser.newContext({
    viewport: { width: job.width, height: job.height ?? 900 },
    colorScheme: job.dark ? "dark" : "light",
    javaScriptEnabled: job.script ?? true,
    // axe is put into the page from here; the page's own policy is tested without it.
    bypassCSP: Boolean(job.axe),
    offline: true,
  });
  const page = await context.newPage();
  const requests = [];
  const errors = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (line) => line.type() === "error" && errors.push(line.text()));
  await page.goto(job.url);
  if (job.wait) await page.waitForSelector(job.wait, { timeout: 20000 });
  const result = { requests, errors };
  if (job.open) await page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));
  if (job.close) await page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = false)));
  for (const selector of job.click ?? []) await page.click(selector);
  if (job.script ?? true) {
    result.overflow = await page.evaluate(() => {
      const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
      // A table that scrolls in itself counts too; the graph and the like are meant to scroll.
      const inner = [...document.querySelectorAll("table")].filter((table) => !table.closest(".box"))
        .map((table) => table.scrollWidth - table.clientWidth);
      return Math.max(wide, ...inner, 0);
    });
    result.text = await page.evaluate(() => document.body.innerText);
  }
  for (const [name, expression] of Object.entries(job.evaluate ?? {})) {
    result[name] = await page.evaluate(expression);
  }
  if (job.axe) {
    await page.addScriptTag({ path: axe });
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    result.violations = found.violations.map((violation) => ({
      id: violation.id,
      impact: violation.impact,
      nodes: violation.nodes.slice(0, 5).map((node) => `${node.target}: ${node.failureSummary}`),
    }));
    result.passes = found.passes.length;
  }
  if (job.picture) {
    const target = job.part ? page.locator(job.part).first() : page;
    await target.screenshot({ path: job.picture, ...(job.part ? {} : { fullPage: job.full ?? true }) });
  }
  results.push(result);
  await context.close();
}
await browser.close();
console.log(JSON.stringify(results));
