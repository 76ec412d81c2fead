/** One person at one browser: what they do and what they see, in the words of the page. */

/** A browser logs each failed request; with the network cut, or a question asked that is answered no, that is expected. */
const EXPECTED = /ERR_INTERNET_DISCONNECTED|net::ERR_|WebSocket connection|status of (404|422|400)/;

export class Person {
  complaints = [];

  static async arrive(browser, url, id, options) {
    const context = await browser.newContext(options);
    const person = new Person();
    Object.assign(person, { id, context, page: await context.newPage() });
    person.page.on("console", (line) => {
      if (line.type() === "error" && !EXPECTED.test(line.text())) person.complaints.push(line.text());
    });
    person.page.on("pageerror", (error) => person.complaints.push(error.message));
    await person.page.goto(url);
    await person.page.getByLabel("User id").waitFor();
    return person;
  }

  get log() {
    return this.page.getByRole("log");
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
    await this.page.getByLabel("User id").fill(userId);
    await this.page.getByRole("button", { name: "Start" }).click();
    await this.connected();
  }

  async startGroup(title, userIds) {
    await this.page.getByRole("button", { name: "New conversation" }).first().click();
    await this.page.getByText("Group", { exact: true }).click();
    await this.page.getByLabel("Name").fill(title);
    await this.page.getByLabel("User ids").fill(userIds.join(", "));
    await this.page.getByRole("button", { name: "Start" }).click();
    await this.page.getByRole("heading", { name: title }).waitFor();
    await this.connected();
  }

  async refresh() {
    await this.page.getByRole("button", { name: "Refresh the list" }).click();
  }

  roomLink(title) {
    return this.page.getByRole("link").filter({ hasText: title });
  }

  async openRoom(title) {
    await this.roomLink(title).click();
    await this.page.getByRole("heading", { name: title }).waitFor();
    await this.connected();
  }

  async connected() {
    await this.page.locator("[data-connection=live]").waitFor({ state: "attached" });
  }

  /** Writes and sends, without waiting for anything. */
  async write(content) {
    await this.input.fill(content);
    await this.input.press("Enter");
  }

  /** Writes, and waits until the server has it. */
  async say(content) {
    await this.write(content);
    await this.page.locator("article[data-status=sent]").filter({ hasText: content.split("\n")[0] }).last().waitFor();
  }

  bubble(content) {
    return this.page.getByRole("article").filter({ hasText: content }).last();
  }

  async react(content, emoji) {
    await this.bubble(content).hover();
    await this.bubble(content).getByRole("button", { name: "Add a reaction" }).click();
    await this.page.getByRole("button", { name: `React with ${emoji}` }).click();
  }

  /** What is on the screen, from the top. */
  contents() {
    return this.page.locator("article [dir=auto]").evaluateAll((all) => all.map((one) => one.textContent));
  }

  /** Which states the messages on the screen are in. */
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
