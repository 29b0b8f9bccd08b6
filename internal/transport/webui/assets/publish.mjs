// Publishes one event. The token is read from its field when it is needed and stored nowhere else.

import { curlPublish, object, problem, query } from "./text.mjs";

export class Publish {
  #page;

  constructor(page) {
    this.#page = page;
    page.publishForm.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
    page.publishForm.addEventListener("input", () => this.#showCurl());
    this.#showCurl();
  }

  async #send() {
    const { publishSend, publishToken, publishData } = this.#page;
    const headers = { "Content-Type": "text/plain; charset=utf-8" };
    const token = publishToken.value.trim();
    if (token !== "") headers.Authorization = `Bearer ${token}`;
    publishSend.disabled = true;
    try {
      const answer = await fetch(this.#url(), { method: "POST", headers, body: publishData.value });
      if (answer.status === 201) this.#showResult("kept", `Published as ${object(await answer.text()).id}`);
      else this.#showResult("refused", `Refused (${answer.status}). ${await problem(answer)}`);
    } catch (error) {
      // A token with characters that a header cannot contain fails before anything is sent.
      const sent = error instanceof TypeError && /^[\x21-\x7e]*$/.test(token);
      this.#showResult("refused", sent ? "The server cannot be reached." : "The token holds characters that a header cannot carry.");
    } finally {
      publishSend.disabled = false;
    }
  }

  #url() {
    const pairs = [["topic", this.#page.publishTopic.value.trim()]];
    const type = this.#page.publishType.value.trim();
    if (type !== "") pairs.push(["type", type]);
    return new URL(`events?${query(pairs)}`, document.baseURI).href;
  }

  #showCurl() {
    this.#page.publishCurl.textContent = curlPublish(this.#url(), this.#page.publishData.value);
  }

  #showResult(outcome, text) {
    this.#page.publishResult.dataset.outcome = outcome;
    this.#page.publishResult.textContent = text;
  }
}
