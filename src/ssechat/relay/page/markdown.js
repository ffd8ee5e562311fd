// A little Markdown as it comes, made of DOM nodes only: what a model writes is never read as HTML.

const LONGEST = 20_000; // characters of one block in which marks are looked for
const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^ {0,3}([-*_])(?: *\1){2,} *$/;
const ITEM = /^(\s*)(?:[-*+]|(\d{1,9})[.)])\s+(.*)$/;
const QUOTE = /^ {0,3}> ?/;
const ROW = /^ {0,3}\|/;
const INLINE =
  /(`{1,3})([^`]{1,2000}?)\1|\*\*(?=\S)([^*]{1,2000}?)\*\*|(?<![\w*])[*_](?=\S)([^*_]{1,2000}?)[*_](?![\w*])|\[([^[\]]{1,500})\]\(([^()\s]{1,2000})\)|(https?:\/\/[^\s<>"'`()[\]]{1,2000})/g;

/** Text without what could hide or turn round what it says. */
export function clean(text) {
  return text
    .replace(/\r\n?|[\x85\u2028\u2029]/g, "\n")
    .replace(/[\0-\x08\x0b-\x1f]/g, (one) => String.fromCharCode(0x2400 + one.charCodeAt(0)))
    .replace(/\x7f/g, "\u2421")
    .replace(/[\u061c\u200e\u200f]/g, "")
    .replace(/[\x80-\x9f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu, "\ufffd");
}

/** Shows a text that grows in `root`. Blocks that are finished are not touched again. */
export class Markdown {
  #root;
  #text = "";
  #done = 0; // where what may still change begins
  #open = []; // its elements

  constructor(root) {
    this.#root = root;
  }

  update(text) {
    if (text === this.#text) return;
    if (!text.startsWith(this.#text)) {
      this.#root.replaceChildren();
      this.#done = 0;
      this.#open = [];
    }
    this.#text = text;
    const rest = text.slice(this.#done);
    const found = blocks(rest);
    const grown = this.#grown(found[0]);
    for (const one of this.#open.slice(grown ? 1 : 0)) one.remove();
    const made = found.slice(grown ? 1 : 0).map(element);
    this.#root.append(...made);
    // A line that is not whole may yet turn out to belong to the block before it.
    const end = rest.lastIndexOf("\n");
    const last = Math.max(0, found.findLastIndex((block) => block.at <= end));
    this.#open = [...(grown ? [this.#open[0]] : []), ...made].slice(last);
    this.#done += found[last]?.at ?? 0;
  }

  /** Whether what is open was code and still is: it grows where it is, and stays scrolled. */
  #grown(block) {
    const [open] = this.#open;
    if (block?.kind !== "code" || open?.tagName !== "PRE") return false;
    if (open.dataset.language !== (block.language ? languageOf(block) : undefined)) return false;
    open.firstChild.textContent = clean(block.lines.join("\n"));
    return true;
  }
}

/** The blocks of a text, and where each begins. */
function blocks(text) {
  const found = [];
  let at = 0;
  let block = null;
  const begin = (kind, more) => found.push((block = { kind, at, lines: [], ...more }));
  for (const raw of text.split("\n")) {
    const line = raw.replace(/\r$/, "");
    const fence = FENCE.exec(line);
    if (block?.kind === "code") {
      const closes = fence && !fence[2] && fence[1].startsWith(block.fence);
      if (closes) block = null;
      else block.lines.push(line);
    } else if (fence) {
      begin("code", { fence: fence[1], language: fence[2] });
    } else if (!line.trim()) {
      block = null;
    } else {
      const kind = kindOf(line);
      const lazy = block?.kind === "list" && /^\s/.test(line);
      if (kind === "heading" || kind === "rule" || (block?.kind !== kind && !lazy)) begin(kind);
      block.lines.push(line);
      if (kind === "heading" || kind === "rule") block = null;
    }
    at += raw.length + 1;
  }
  return found;
}

function kindOf(line) {
  if (HEADING.test(line)) return "heading";
  if (RULE.test(line)) return "rule";
  if (QUOTE.test(line)) return "quote";
  if (ITEM.test(line)) return "list";
  return ROW.test(line) ? "table" : "paragraph";
}

function element(block) {
  const { kind, lines } = block;
  switch (kind) {
    case "code":
      return code(block);
    case "table":
      return table(block);
    case "heading": {
      const [, marks, text] = HEADING.exec(lines[0]);
      return filled(`h${Math.min(6, marks.length + 2)}`, text);
    }
    case "rule":
      return make("hr");
    case "quote":
      return filled("blockquote", lines.map((line) => line.replace(QUOTE, "")).join("\n"));
    case "list":
      return list(lines);
  }
  return filled("p", lines.join("\n"));
}

function code(block) {
  const pre = make("pre");
  pre.append(make("code", clean(block.lines.join("\n"))));
  if (block.language) pre.dataset.language = languageOf(block);
  pre.tabIndex = 0; // it may have to be scrolled
  return pre;
}

function languageOf(block) {
  return clean(block.language).slice(0, 30);
}

/** A table once the line below its head has come; until then as it stands. */
function table(block) {
  const [head, marks, ...rest] = block.lines.map(cells);
  if (!marks?.every((cell) => /^:?-+:?$/.test(cell))) return code(block);
  const made = make("table");
  row(made.createTHead(), "th", head);
  const body = made.createTBody();
  for (const one of rest) row(body, "td", one);
  const scrolled = make("div");
  scrolled.className = "table";
  scrolled.tabIndex = 0;
  scrolled.append(made);
  return scrolled;
}

function row(section, name, texts) {
  section.insertRow().append(...texts.map((text) => filled(name, text)));
}

function cells(line) {
  const inner = line.trim().replace(/^\||\|$/g, "");
  return inner.split("|").map((cell) => cell.trim());
}

function list(lines) {
  const [, , first] = ITEM.exec(lines[0]);
  const root = make(first === undefined ? "ul" : "ol");
  if (first !== undefined) root.start = Number(first);
  const items = [];
  for (const line of lines) {
    const item = ITEM.exec(line);
    if (item) items.push({ depth: Math.min(4, Math.floor(item[1].length / 2)), mark: item[2], text: item[3] });
    else items.at(-1).text += `\n${line.trim()}`;
  }
  for (const { depth, mark, text } of items) {
    const item = filled("li", text);
    if (depth) item.className = `deep deep-${depth}`;
    if (mark !== undefined) item.value = Number(mark);
    else item.classList.add("bullet");
    root.append(item);
  }
  return root;
}

function filled(name, text) {
  const made = make(name);
  made.dir = "auto";
  inline(made, clean(text), 0);
  return made;
}

function inline(parent, text, depth) {
  if (text.length > LONGEST || depth > 3) {
    parent.append(text);
    return;
  }
  let last = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, , verbatim, strong, emphasis, label, target, address] = match;
    parent.append(text.slice(last, match.index));
    last = match.index + whole.length;
    if (verbatim !== undefined) parent.append(make("code", verbatim));
    else if (strong !== undefined) inline(parent.appendChild(make("strong")), strong, depth + 1);
    else if (emphasis !== undefined) inline(parent.appendChild(make("em")), emphasis, depth + 1);
    else last -= link(parent, whole, label, target ?? address);
  }
  parent.append(text.slice(last));
}

/** A link, if it leads to the web, and where to, if its label does not say it. Returns how many
 * characters at its end are none of it. */
function link(parent, whole, label, target) {
  const trailing = label === undefined ? /[.,;:!?]*$/.exec(target)[0].length : 0;
  const address = target.slice(0, target.length - trailing);
  const url = webAddress(address);
  if (!url) {
    parent.append(whole);
    return 0;
  }
  parent.append(anchor(url, label ?? address));
  if (label !== undefined && !label.includes(url.host)) {
    const where = make("span", ` (${url.host})`);
    where.className = "where";
    parent.append(where);
  }
  return trailing;
}

/** A link that tells the other side nothing of this page. */
export function anchor(url, label) {
  const made = make("a", label);
  made.href = url.href;
  made.rel = "noopener noreferrer nofollow";
  made.target = "_blank";
  return made;
}

/** The address, if it is one of http or https; else null. */
export function webAddress(text) {
  try {
    const url = new URL(text);
    return /^https?:$/.test(url.protocol) && !url.username && !url.password ? url : null;
  } catch {
    return null;
  }
}

function make(name, text) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return made;
}
