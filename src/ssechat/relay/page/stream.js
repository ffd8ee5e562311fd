// The relay, and one answer that is followed through cuts, restarts and reloads.

const DELAYS = [0.5, 1, 2, 4, 8]; // s between tries; the last one goes on
const SILENCE = 40_000; // ms without a byte; the relay says something every 15 s
const BUSY_TRIES = 3; // of a question that the relay puts off

export class Relay {
  token = "";

  call(method, path, { headers = {}, body, signal } = {}) {
    const sent = { ...headers };
    if (this.token) sent.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) sent["Content-Type"] = "application/json";
    const options = { method, headers: sent, body, signal, cache: "no-store", credentials: "omit", redirect: "error" };
    return fetch(path, options);
  }
}

/** Follows `answer` until its state is another than "live".
 *
 * `tell` has: changed(), whenever the answer did; say(text), what goes on; refused(), when the token
 * is none (the following ends then; a new one goes on). `question` is the body of the request.
 */
export class Following {
  #relay; #answer; #question; #tell;
  #over = false;
  #lost;
  #tries = 0;
  #connection = null;
  #heard = 0;
  #hurry = () => {};

  constructor(relay, answer, question, tell) {
    this.#relay = relay;
    this.#answer = answer;
    this.#question = question;
    this.#tell = tell;
    this.#lost = Boolean(answer.stream);
  }

  async run() {
    while (!this.#over && this.#answer.state === "live") {
      let wait = null;
      try {
        wait = await this.#attempt();
      } catch {
        // The connection is lost, or could not be made.
      }
      if (this.#over || this.#answer.state !== "live") break;
      await this.#pause(wait ?? DELAYS[Math.min(this.#tries++, DELAYS.length - 1)]);
    }
  }

  /** Follow no longer; the answer goes on without us. */
  leave() {
    this.#over = true;
    this.#connection?.abort();
    this.#hurry();
  }

  /** Ask for the end. Without a connection it is asked for as soon as there is one. */
  async stop() {
    this.#answer.stopping = true;
    this.#tell.say("stopping");
    this.#tell.changed();
    try {
      await this.#askToStop();
    } catch {
      this.wake();
    }
  }

  /** Look at once whether the connection lives: the network or the page is back. */
  wake() {
    if (this.#connection && Date.now() - this.#heard > SILENCE / 2) this.#connection.abort();
    this.#hurry();
  }

  async #askToStop() {
    const { stream, key } = this.#answer;
    const response = stream
      ? await this.#relay.call("POST", `/v1/streams/${stream}/cancel`)
      : await this.#relay.call("POST", "/v1/streams/cancel", { body: JSON.stringify({ idempotency_key: key }) });
    if (response.status >= 500) throw new Error("not yet");
  }

  /** One connection, to its end; how many seconds to wait before the next, if it matters. */
  async #attempt() {
    const connection = new AbortController();
    this.#connection = connection;
    this.#heard = Date.now();
    const watch = setInterval(() => {
      if (Date.now() - this.#heard > SILENCE) connection.abort();
    }, 1000);
    try {
      if (this.#answer.stopping) await this.#askToStop();
      const response = await this.#open(connection.signal);
      return response.status === 200 ? await this.#read(response) : await this.#other(response);
    } finally {
      clearInterval(watch);
      connection.abort();
      this.#connection = null;
      if (this.#answer.state === "live") this.#lost = true;
    }
  }

  #open(signal) {
    const { stream, cursor, key } = this.#answer;
    if (!stream) {
      const headers = { "Idempotency-Key": key };
      return this.#relay.call("POST", "/api/chat", { headers, body: this.#question, signal });
    }
    const headers = cursor ? { "Last-Event-ID": cursor } : {};
    return this.#relay.call("GET", `/v1/streams/${stream}/events`, { headers, signal });
  }

  async #read(response) {
    const answer = this.#answer;
    answer.stream = response.headers.get("Ssechat-Stream-Id") ?? answer.stream;
    if (this.#lost) {
      answer.resumes += 1;
      this.#lost = false;
      this.#tell.say("resumed");
    }
    this.#tell.changed();
    for await (const event of decoded(response.body, () => (this.#heard = Date.now()))) {
      if (this.#over) return null;
      this.#tries = 0;
      take(answer, JSON.parse(event.data));
      answer.cursor = event.id; // with what it stands for, so that what is kept fits together
      this.#tell.changed();
      if (answer.state !== "live") return null;
    }
    return null;
  }

  /** An answer that is no stream. */
  async #other(response) {
    const asked = !this.#answer.stream;
    const told = await response.json().catch(() => ({}));
    const message = told.error?.message ?? `the relay says ${response.status}`;
    switch (response.status) {
      case 204:
        return this.#status();
      case 401:
        this.#over = true;
        this.#tell.refused();
        return null;
      case 409: // the stop came before the question
        return this.#end("stopped", "");
      case 404:
      case 410:
        if (asked) break;
        if (told.reason === "ahead") return this.#restart();
        return this.#end("expired", "the relay does not have this answer any more");
      case 429:
      case 503:
        if (asked && this.#tries >= BUSY_TRIES) return this.#end("failed", message);
        this.#tries += 1;
        return Math.min(60, Number(response.headers.get("Retry-After")) || 5);
    }
    if (!asked && response.status >= 500) return null; // something between us and the relay
    if (asked && this.#answer.stopping) return this.#end("stopped", "");
    return this.#end("failed", message);
  }

  /** All that there is has been read; only how it ended is not known. */
  async #status() {
    const response = await this.#relay.call("GET", `/v1/streams/${this.#answer.stream}`);
    if (!response.ok) return null;
    const told = await response.json();
    return told.terminal ? this.#end(told.state, told.note) : null;
  }

  /** The relay has less than we do: read it anew. */
  #restart() {
    Object.assign(this.#answer, { cursor: "", text: "", thinking: "", media: [], errors: [] });
    this.#tell.changed();
    return 0;
  }

  #end(state, note) {
    Object.assign(this.#answer, { state, note });
    this.#tell.changed();
    return null;
  }

  async #pause(seconds) {
    if (seconds >= 1) this.#tell.say(`reconnecting (in ${Math.round(seconds)} s)`);
    else this.#tell.say("reconnecting");
    let timer;
    await new Promise((go) => {
      this.#hurry = go;
      timer = setTimeout(go, seconds * 1000);
    });
    clearTimeout(timer);
    this.#hurry = () => {};
  }
}

/** What an event means for the answer. */
function take(answer, event) {
  switch (event.type) {
    case "thinking":
      answer.thinking += event.content;
      break;
    case "text":
      answer.text = event.replaces ? event.content : answer.text + event.content;
      break;
    case "image":
    case "audio": {
      const at = answer.media.findIndex((one) => one.number === event.number);
      answer.media.splice(at < 0 ? answer.media.length : at, at < 0 ? 0 : 1, event);
      break;
    }
    case "usage":
      answer.usage = event.content;
      break;
    case "error":
      answer.errors.push(event.content);
      break;
    case "end":
      answer.state = event.state;
      answer.note = event.content;
  }
}

/** The events of a body. Lines are gathered in pieces: an image may be one of many megabytes. */
async function* decoded(body, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let pieces = [];
  let id = "";
  let data = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    const [first, ...rest] = value.split("\n");
    pieces.push(first);
    for (const next of rest) {
      const line = pieces.join("");
      pieces = [next];
      if (line === "") {
        if (data.length) yield { id, data: data.join("\n") };
        data = [];
      } else if (line.startsWith("id: ")) {
        id = line.slice(4);
      } else if (line.startsWith("data: ")) {
        data.push(line.slice(6));
      }
    }
  }
}
