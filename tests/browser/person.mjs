/** One person with a browser: what they do on the page, and what they see. */

/** Browsers log each failed request; these are expected with a cut network or a refused request. */
// 426: after a failed upgrade of the inbox the page asks why.
const EXPECTED = /ERR_INTERNET_DISCONNECTED|net::ERR_|WebSocket connection|status of (400|404|409|415|422|426)/;

export class Person {
  complaints = [];

  static async arrive(browser, url, id, options) {
    // What a service worker answers, page.route does not see.
    const context = await browser.newContext({ serviceWorkers: "block", ...options });
    const person = new Person();
    Object.assign(person, { id, context, colorScheme: options?.colorScheme ?? "light", isPhone: options?.isMobile ?? false });
    await person.openTab(url);
    return person;
  }

  async openTab(url) {
    this.page = await this.context.newPage();
    this.page.on("console", (line) => {
      if (line.type() === "error" && !EXPECTED.test(line.text())) this.complaints.push(line.text());
    });
    this.page.on("pageerror", (error) => this.complaints.push(error.message));
    await this.page.goto(url);
    // A new tab starts signed in as the last one was.
    await this.page.getByLabel("User id").or(this.page.getByRole("heading", { name: "Chats" })).waitFor();
  }

  /** Crashes the tab's process, as when it runs out of memory: the page gets no event. */
  async crashTab() {
    const session = await this.context.newCDPSession(this.page);
    const died = this.page.waitForEvent("crash");
    session.send("Page.crash").catch(() => {});
    await died;
    await this.page.close();
  }

  get log() {
    return this.page.getByRole("log", { name: /^Messages with/ });
  }
  get input() {
    return this.page.getByRole("textbox", { name: "Message" });
  }

  async signIn() {
    await this.page.getByLabel("User id").fill(this.id);
    await this.page.getByRole("button", { name: "Sign in" }).click();
    await this.page.getByRole("heading", { name: "Chats" }).waitFor();
  }

  async startDirect(userId) {
    await this.page.getByRole("button", { name: "New conversation" }).first().click();
    await this.pick(this.page.getByRole("combobox", { name: "Person" }), userId);
    await this.page.getByRole("button", { name: "Start" }).click();
    await this.page.getByRole("heading", { name: userId }).waitFor();
    await this.connected();
  }

  /** Chooses somebody from the directory, or by their id if they are not in it. */
  async pick(field, nameOrId) {
    await field.fill(nameOrId);
    await this.page.getByRole("option").filter({ hasText: nameOrId }).first().click();
  }

  async startGroup(title, userIds) {
    await this.page.getByRole("button", { name: "New conversation" }).first().click();
    await this.page.getByText("Group", { exact: true }).click();
    await this.page.getByRole("textbox", { name: "Name" }).fill(title);
    for (const userId of userIds) await this.pick(this.page.getByRole("combobox", { name: "People" }), userId);
    await this.page.getByRole("button", { name: "Start" }).click();
    await this.page.getByRole("heading", { name: title }).waitFor();
    await this.connected();
  }

  async refresh() {
    // With an inbox the list is live, and there is no such button.
    const button = this.page.getByRole("button", { name: "Refresh the list" });
    if (await button.isVisible()) await button.click();
  }

  roomLink(title) {
    const link = this.page.getByRole("navigation", { name: "Conversations" }).getByRole("link");
    return link.filter({ has: this.page.locator("bdi", { hasText: title }) });
  }

  async openRoom(title) {
    await this.roomLink(title).click();
    await this.page.getByRole("heading", { name: title }).waitFor();
    await this.connected();
  }

  async connected() {
    await this.page.locator("[data-connection=live]").waitFor({ state: "attached" });
  }

  /** Types and sends a message without waiting. */
  async write(content) {
    // The blank closes the list of names that an `@name` at the end opens.
    await this.input.fill(/@\S+$/.test(content) ? `${content} ` : content);
    // On a phone Enter starts a new line.
    if (this.isPhone) await this.page.getByRole("button", { name: "Send" }).click();
    else await this.input.press("Enter");
  }

  /** Types and sends a message, and waits until it is confirmed. */
  async say(content) {
    await this.write(content);
    await this.log.locator("article[data-status=sent]").filter({ hasText: content.split("\n")[0] }).last().waitFor();
  }

  /** Chooses an item from the menu of a message. */
  async choose(content, item) {
    await this.bubble(content).hover();
    await this.bubble(content).getByRole("button", { name: "More" }).click();
    await this.page.getByRole("menuitem", { name: item, exact: true }).click();
  }

  async edit(content, to) {
    await this.choose(content, "Edit");
    for (const ends = Date.now() + 5_000; (await this.input.inputValue()) === "" && Date.now() < ends; ) await this.page.waitForTimeout(20);
    await this.input.fill(to);
    await this.input.press("Enter");
  }

  async remove(content) {
    await this.choose(content, "Delete");
    await this.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  }

  /** The panel of a thread. */
  get thread() {
    return this.page.getByRole("complementary", { name: "Thread" });
  }
  async sayInThread(content) {
    const field = this.thread.getByRole("textbox", { name: "Reply in the thread" });
    await field.fill(content);
    await field.press("Enter");
    await this.thread.locator("article[data-status=sent]").filter({ hasText: content }).waitFor();
  }

  bubble(content) {
    return this.log.getByRole("article").filter({ hasText: content }).last();
  }

  async react(content, emoji) {
    await this.bubble(content).hover();
    await this.bubble(content).getByRole("button", { name: "Add a reaction" }).click();
    await this.page.getByRole("button", { name: `React with ${emoji}` }).click();
  }

  /** The contents of all loaded messages, in order. Only visible rows exist, so the log is scrolled through. */
  contents() {
    return this.log.evaluate(async (log) => {
      const texts = new Map();
      // Unconfirmed messages have no seq yet and are at the end.
      const place = (row) => Number(row.dataset.seq) || Number.POSITIVE_INFINITY;
      const look = () => {
        let above = { place: 0, top: Number.NEGATIVE_INFINITY };
        for (const row of log.querySelectorAll("article")) {
          const here = { place: place(row), top: row.getBoundingClientRect().top };
          if (here.place < above.place || here.top < above.top) texts.set("wrong", { text: `out of order at ${here.place}`, place: -1 });
          above = here;
          const text = row.querySelector("[dir=auto]");
          if (text) texts.set(row.dataset.message, { text: text.textContent, place: here.place });
        }
      };
      const was = log.scrollTop;
      const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      // Restores the position, at the end if it was there.
      const wasAtEnd = log.scrollHeight - was - log.clientHeight < 80;
      for (let top = was; ; top -= log.clientHeight / 2) {
        look();
        if (top <= 0) break;
        log.scrollTo({ top: Math.max(0, top) });
        await frame();
      }
      for (let top = was; top < log.scrollHeight; top += log.clientHeight / 2) {
        log.scrollTo({ top });
        await frame();
        look();
      }
      log.scrollTo({ top: wasAtEnd ? log.scrollHeight : was });
      await frame();
      return [...texts.values()].sort((a, b) => (a.place === b.place ? 0 : a.place - b.place)).map((one) => one.text);
    });
  }

  /** The states of the messages on the screen. */
  async statuses() {
    return this.page.getByRole("article").evaluateAll((all) => [...new Set(all.map((one) => one.dataset.status))]);
  }

  text(testId) {
    return this.page.getByTestId(testId).innerText();
  }

  goOffline() {
    return this.context.setOffline(true);
  }

  goOnline() {
    return this.context.setOffline(false);
  }
}
