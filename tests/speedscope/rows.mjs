// Opens a page of speedscope in a browser, waits until its table has as many rows as are wanted,
// and prints the texts of their cells as JSON.
//
//     node rows.mjs BROWSER PAGE ROWS

import puppeteer from "puppeteer-core";

const [browserPath, page, wanted] = process.argv.slice(2);
const browser = await puppeteer.launch({
    executablePath: browserPath,
    args: ["--no-sandbox", "--enable-unsafe-swiftshader", "--allow-file-access-from-files"],
    // Rows outside of the window are not made.
    defaultViewport: { width: 1400, height: 24 * Number(wanted) + 1000 },
});
try {
    const tab = await browser.newPage();
    await tab.goto(page);
    const rows = () =>
        tab.$$eval("tr", (found) =>
            found
                .map((row) => Array.from(row.querySelectorAll("td"), (cell) => cell.textContent))
                .filter((cells) => cells.length == 3),
        );
    // A busy machine takes its time; a minute is more than any.
    let seen = await rows();
    for (let tries = 0; seen.length < Number(wanted) && tries < 240; tries++) {
        await new Promise((resolve) => setTimeout(resolve, 250));
        seen = await rows();
    }
    const text = await tab.$eval("body", (body) => body.textContent);
    console.log(JSON.stringify({ rows: seen, text }));
} finally {
    await browser.close();
}
