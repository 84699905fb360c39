// Runs the statement and shows the first rows as they come; the rest is not asked for, and the server stops.
"use strict";

const ROWS = 1000;
const by = (id) => document.getElementById(id);
const [sql, key, format, status, problem, message, place, result, run, cancel] =
  ["sql", "key", "format", "status", "problem", "message", "place", "result", "run", "cancel"].map(by);
let running = null;

function request(type, signal) {
  const headers = { "Content-Type": "application/sql", Accept: type };
  if (key.value) headers.Authorization = `Bearer ${key.value}`;
  return { method: "POST", headers, body: sql.value, signal };
}

// The line of the statement that the problem is about, with a caret below.
function excerpt(told) {
  if (!told.line) return "";
  const line = sql.value.split("\n")[told.line - 1] ?? "";
  const label = `line ${told.line}: `;
  return `${label}${line.replaceAll("\t", " ")}\n${" ".repeat(label.length + told.column - 1)}^`;
}

async function refuse(response) {
  let told;
  try {
    told = await response.json();
  } catch {
    told = { detail: `the server answered ${response.status}` };
  }
  throw Object.assign(new Error(told.detail), { told });
}

function tell(error) {
  if (error.name === "AbortError") {
    status.textContent = "cancelled";
    return;
  }
  status.textContent = "";
  message.textContent = error.told ? error.message : `the result broke off: ${error.message}`;
  place.textContent = error.told ? excerpt(error.told) : "";
  problem.hidden = false;
}

function cell(value) {
  const element = document.createElement("td");
  if (value === null) element.className = "null";
  if (typeof value === "number") element.className = "number";
  element.textContent = value === null ? "NULL" : typeof value === "object" ? JSON.stringify(value) : String(value);
  return element;
}

function table(columns) {
  const element = document.createElement("table");
  const head = element.createTHead().insertRow();
  for (const name of columns) {
    const heading = document.createElement("th");
    heading.scope = "col";
    heading.textContent = name;
    head.append(heading);
  }
  result.replaceChildren(element);
  result.hidden = false;
  return element.createTBody();
}

async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts;
  }
  if (rest) yield rest;
}

async function show(signal) {
  const response = await fetch("sql", request("application/x-ndjson", signal));
  if (!response.ok) await refuse(response);
  if (response.status === 204) return "done";
  let rows = 0;
  let body = null;
  for await (const line of lines(response)) {
    const row = JSON.parse(line);
    body ??= table(Object.keys(row));
    body.insertRow().append(...Object.values(row).map(cell));
    rows += 1;
    if (rows === ROWS) return `the first ${ROWS} rows`;
  }
  return rows === 1 ? "1 row" : `${rows} rows`;
}

async function download(signal) {
  const response = await fetch(`sql?format=${format.value}`, request("*/*", signal));
  if (!response.ok) await refuse(response);
  const named = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = named ? named[1] : `result.${format.value}`;
  link.click();
  URL.revokeObjectURL(link.href);
  return `saved as ${link.download}`;
}

async function begin(work) {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  cancel.disabled = false;
  problem.hidden = true;
  result.hidden = true;
  status.textContent = "running …";
  const begun = performance.now();
  try {
    const told = await work(mine.signal);
    if (running === mine) status.textContent = `${told}, ${((performance.now() - begun) / 1000).toFixed(2)} s`;
  } catch (error) {
    if (running === mine) tell(error);
  } finally {
    // What is left of the rows is not needed.
    mine.abort();
    if (running === mine) {
      running = null;
      cancel.disabled = true;
    }
  }
}

by("form").addEventListener("submit", (event) => {
  event.preventDefault();
  begin(show);
});
by("download").addEventListener("click", () => begin(download));
cancel.addEventListener("click", () => running?.abort());
sql.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    begin(show);
  }
});
