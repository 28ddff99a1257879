// Forms in dialogs: their buttons can be reached in windows of any size, however long the form and what went wrong.
import { checkAccess, expect, pictures, test, themes } from "./server";
import type { Page } from "@playwright/test";

const windows = [
  { width: 1280, height: 800 },
  { width: 760, height: 420 },
  { width: 340, height: 300 },
];
const dialog = (page: Page) => page.getByRole("dialog");

/** In each window and theme the last field can be scrolled to, between the title and the buttons, which stay in sight and uncovered. */
async function checkForm(page: Page, name: string): Promise<void> {
  for (const theme of themes) {
    await page.emulateMedia({ colorScheme: theme });
    await expect(page.locator("html")).toHaveAttribute("data-theme", theme);
    for (const { width, height } of windows) {
      await page.setViewportSize({ width, height });
      const faults = () => dialog(page).evaluate((element) => {
        const fields = element.querySelector(".content")!;
        fields.scrollTop = fields.scrollHeight;
        const found = fields.scrollWidth > fields.clientWidth || element.scrollHeight > element.clientHeight ? ["more than the fields scrolls"] : [];
        if (fields.clientHeight < 60 || fields.lastElementChild!.getBoundingClientRect().bottom > fields.getBoundingClientRect().bottom) found.push("the last field is out of sight");
        const buttons = [...element.querySelectorAll("header button, footer button")];
        if (buttons.length < 3) found.push("buttons stand elsewhere");
        for (const button of buttons) {
          const { left, right, top, bottom } = button.getBoundingClientRect();
          const shown = left >= 0 && right <= innerWidth && top >= 0 && bottom <= innerHeight;
          if (!shown || !button.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2))) found.push(`${button.textContent} is out of sight`);
        }
        return found;
      });
      await expect.poll(faults, `${width} x ${height}`).toEqual([]);
      await page.screenshot({ path: `${pictures}/dialog-${name}-${width}-${theme}.png` });
    }
    await checkAccess(page);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

test("the form of a loader", async ({ page, said }) => {
  said.refused = /400/;
  await page.goto("/#/models");
  await page.getByRole("button", { name: "Open model…" }).click();
  await dialog(page).getByLabel("Loader").selectOption("Checkpoint on the server");
  await dialog(page).getByRole("button", { name: "Open", exact: true }).click();
  await expect(dialog(page)).toContainText("File or folder is required.");
  await checkForm(page, "load");
  await dialog(page).getByLabel(/^File or folder/).fill(`${"no such folder/".repeat(30)}model`);
  await dialog(page).getByRole("button", { name: "Open", exact: true }).click();
  await expect(dialog(page).getByRole("alert")).toBeVisible();
  await checkForm(page, "load-fault");
});

test("the forms of a run, of two that are compared, and of what is saved", async ({ page, said }) => {
  said.refused = /400/;
  await page.goto("/#/graph/digits?call=decoder");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await expect(dialog(page).getByLabel("Size of N")).toBeVisible();
  await checkForm(page, "run");
  await dialog(page).getByLabel("Size of N").fill("-1");
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(dialog(page).getByRole("alert")).toBeVisible();
  await checkForm(page, "run-fault");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Save…" }).click();
  await expect(dialog(page).getByRole("button", { name: "Save as report" })).toBeVisible();
  await checkForm(page, "save");
  await page.goto("/#/compare/digits");
  await page.getByRole("button", { name: "Compare backends…" }).click();
  await expect(dialog(page).getByLabel("Reference")).toBeVisible();
  await checkForm(page, "compare");
});

test("the form of a job", async ({ page }) => {
  await page.goto("/#/job/digits");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await dialog(page).getByRole("button", { name: "Start" }).click();
  await expect(dialog(page).getByRole("alert")).toHaveText("audio is required.");
  await checkForm(page, "job");
});
