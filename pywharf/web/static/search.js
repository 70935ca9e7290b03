// The list of projects follows what is typed into the search field. Without this, the form does the same when it is sent.
"use strict";

const PAUSE = 150;  // milliseconds without a key, after which the server is asked

const field = document.getElementById("top-q");
let timer = 0;
let question = new AbortController();

async function follow() {
  const address = new URL(field.form.action);
  if (field.value.trim()) address.searchParams.set("q", field.value);
  question.abort();
  question = new AbortController();
  try {
    // Where browsers do not say who asks, without TLS, what it accepts tells that it is a page: no window that asks for a secret opens.
    const headers = {Accept: "text/html, application/xhtml+xml"};
    const answer = await fetch(address, {headers, signal: question.signal, redirect: "error"});
    if (!answer.ok) return;  // the form, once it is sent, leads to the login, or says what is wrong
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const name of ["heading", "count"]) document.getElementById(name).textContent = page.getElementById(name).textContent;
    document.getElementById("found").replaceWith(page.getElementById("found"));
    document.title = page.title;
    history.replaceState(null, "", address);
  } catch {
    // asked again meanwhile, or there is no network: the form is still there
  }
}

field.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(follow, PAUSE);
});
